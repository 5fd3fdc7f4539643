//! The rows as a person reads them.

use waagent_common::AGENT_VERSION;
use waagent_common::sandbox::SandboxReport;
use waagent_common::text::shown;

use super::Row;

/// The whole screen.
pub(super) fn render(rows: &[Row]) -> String {
    let mut screen = vec![format!("Azure Linux Agent {AGENT_VERSION}")];
    for row in rows {
        let mark = match row {
            row if row.failed => "FAILED ",
            row if !row.waits_for.is_empty() => "waits  ",
            row if row.written_at.is_none() => "-      ",
            _ => "ok     ",
        };
        for (number, result) in row.results.iter().enumerate() {
            let head = if number == 0 { format!("{mark}{:<17} ", row.program) } else { " ".repeat(25) };
            screen.push(format!("{head}{}", shown(result)));
        }
        let detail = |text: String| format!("{}{text}", " ".repeat(25));
        if !row.waits_for.is_empty() {
            screen.push(detail(format!("waits for {}", shown(&row.waits_for.join(", ")))));
        }
        if let Some(at) = &row.written_at {
            let from = if row.inputs.is_empty() {
                String::new()
            } else {
                format!(" from {}", row.inputs.join(", "))
            };
            screen.push(detail(shown(&format!("at {at}{from}"))));
        }
        if let Some(sandbox) = &row.sandbox {
            screen.push(detail(sandbox_line(sandbox)));
        }
    }
    screen.join("\n")
}

fn sandbox_line(sandbox: &SandboxReport) -> String {
    let capabilities =
        if sandbox.capabilities.is_empty() { "none".to_owned() } else { sandbox.capabilities.join(" ") };
    format!(
        "sandbox: uid {}, capabilities {}, Landlock {}, seccomp {}, SELinux {}",
        sandbox.uid,
        shown(&capabilities),
        shown(&sandbox.landlock),
        shown(&sandbox.seccomp),
        shown(&sandbox.selinux)
    )
}

#[cfg(test)]
mod tests {
    use waagent_common::root::Root;

    #[test]
    fn an_empty_machine_has_a_row_for_each_program() {
        let dir = tempfile::tempdir().unwrap();
        let rows = super::super::rows(&Root::new(dir.path()));
        let screen = super::render(&rows);
        for row in &rows {
            assert!(screen.contains(row.program.as_ref()));
        }
        assert!(screen.contains("has not written anything yet"));
    }
}
