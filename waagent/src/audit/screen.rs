//! The table of programs and layers, what differs, and what couldn't be looked at.

use anyhow::Result;
use serde::Serialize;

use super::finding::{Finding, Layer, State};

/// Everything as JSON.
pub fn json(findings: &[Finding]) -> Result<String> {
    #[derive(Serialize)]
    struct Report<'a> {
        differs: usize,
        unchecked: usize,
        ok: usize,
        findings: &'a [Finding],
    }
    let report = Report {
        differs: count(findings, State::Differs),
        unchecked: count(findings, State::Unchecked),
        ok: count(findings, State::Ok),
        findings,
    };
    Ok(serde_json::to_string_pretty(&report)?)
}

/// For people.
pub fn render(findings: &[Finding]) -> String {
    let head = LAYERS.map(|(_, name)| format!("{name:<10}")).concat();
    let mut lines = vec![format!("{:<18}{}", "", head.trim_end())];
    let mut programs: Vec<&str> = Vec::new();
    for finding in findings {
        if !programs.contains(&finding.program.as_str()) {
            programs.push(&finding.program);
        }
    }
    for program in programs {
        let cell = |(layer, _)| format!("{:<10}", word(findings, program, layer));
        lines.push(format!("{program:<18}{}", LAYERS.map(cell).concat()).trim_end().to_owned());
    }
    lines.extend(section(findings, State::Differs, "what differs:"));
    lines.extend(section(findings, State::Unchecked, "not checked, so not known to be as declared:"));
    let said = format!(
        "{} compared, {} as declared, {} not; {} couldn't be checked",
        findings.len() - count(findings, State::Unchecked),
        count(findings, State::Ok),
        count(findings, State::Differs),
        count(findings, State::Unchecked)
    );
    lines.extend([String::new(), said]);
    lines.join("\n")
}

/// The worst of a program's findings in a layer.
fn word(findings: &[Finding], program: &str, layer: Layer) -> &'static str {
    let own = findings.iter().filter(|finding| finding.program == program && finding.layer == layer);
    match own.map(|finding| finding.state).max() {
        None => "-",
        Some(State::Ok) => "ok",
        Some(State::Unchecked) => "?",
        Some(State::Differs) => "DIFFERS",
    }
}

fn section(findings: &[Finding], state: State, title: &str) -> Vec<String> {
    let rows: Vec<&Finding> = findings.iter().filter(|finding| finding.state == state).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), title.to_owned()];
    for row in rows {
        if state == State::Unchecked {
            lines.push(format!("  {}: {}: {}", row.program, row.what, row.found));
        } else {
            lines.push(format!("  {}: {}", row.program, row.what));
            lines.push(format!("      expected: {}", row.expected));
            lines.push(format!("      found:    {}", row.found));
            lines.push(format!("      remedy:   {}", row.remedy));
        }
    }
    lines
}

fn count(findings: &[Finding], state: State) -> usize {
    findings.iter().filter(|finding| finding.state == state).count()
}

const LAYERS: [(Layer, &str); 6] = [
    (Layer::Digest, "files"),
    (Layer::Unit, "unit"),
    (Layer::Process, "process"),
    (Layer::Document, "document"),
    (Layer::Mode, "modes"),
    (Layer::Label, "labels"),
];
