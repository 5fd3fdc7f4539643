//! What was in force when each program wrote last, as its documents state it.

use serde::de::IgnoredAny;
use waagent_common::documents::UntypedDocument;
use waagent_common::documents::catalogue::{CATALOGUE, Entry};
use waagent_common::sandbox::SandboxReport;
use waagent_common::users::uid_of;
use waagent_declaration::Declaration;

use super::finding::{Finding, Layer, Subject};
use super::machine::Machine;

/// Compares the newest document of each confined program.
pub fn compare(machine: &Machine, declarations: &[Declaration]) -> Vec<Finding> {
    let mut found = Vec::new();
    for declaration in declarations.iter().filter(|declaration| !declaration.is_unconfined()) {
        let subject = Subject::new(&declaration.program, Layer::Document);
        let own: Vec<&Entry> =
            CATALOGUE.iter().filter(|entry| entry.program == declaration.program && is_file(entry)).collect();
        if own.is_empty() {
            continue;
        }
        match own.iter().filter_map(|entry| newest(machine, entry)).max_by(|a, b| a.1.cmp(&b.1)) {
            Some((path, _, sandbox)) => {
                found.extend(one(machine, declaration, &subject, path, &sandbox));
            }
            None => found.push(subject.unchecked("document", "it has written none that can be read")),
        }
    }
    found
}

fn is_file(entry: &Entry) -> bool {
    std::path::Path::new(entry.path).extension().is_some_and(|ending| ending == "json")
}

/// Path, time and sandbox of a document that is there.
fn newest(machine: &Machine, entry: &Entry) -> Option<(&'static str, String, SandboxReport)> {
    // A damaged document is the reader's affair, who names it; `waagent status` shows it too.
    let glance = UntypedDocument::<IgnoredAny>::read(&machine.root.path(entry.path)).ok()?;
    Some((entry.path, glance.written_at, glance.sandbox))
}

fn one(
    machine: &Machine,
    declaration: &Declaration,
    subject: &Subject,
    path: &str,
    sandbox: &SandboxReport,
) -> Vec<Finding> {
    let what = |field: &str| format!("{path} {field}");
    let remedy = "look for what its log says of the sandbox, then start its unit with --force";
    let declared = declaration.capabilities();
    let beyond = |names: &[String]| -> String {
        let extra = names.iter().map(String::as_str).filter(|name| !declared.contains(name));
        extra.collect::<Vec<_>>().join(" ")
    };
    let enforced = |text: &str| if text.starts_with("enforced") { String::new() } else { text.to_owned() };
    let uid = uid_of(&machine.root, declaration.user()).map_or_else(String::new, |uid| uid.to_string());
    let mut found = vec![
        subject.compare(what("uid"), &uid, &sandbox.uid.to_string(), remedy),
        subject.compare(what("capabilities beyond the declared"), "", &beyond(&sandbox.capabilities), remedy),
        subject.compare(what("no_new_privs"), "true", &sandbox.no_new_privs.to_string(), remedy),
        enforcement(subject, what("landlock"), &enforced(&sandbox.landlock), remedy),
        enforcement(subject, what("seccomp"), &enforced(&sandbox.seccomp), remedy),
    ];
    if machine.enforces().is_some() {
        let domain = sandbox.selinux.split(':').nth(2).unwrap_or(&sandbox.selinux);
        found.push(subject.compare(what("selinux"), &declaration.selinux, domain, remedy));
    }
    found
}

/// `shortfall` is what the document says instead of "enforced".
fn enforcement(subject: &Subject, what: String, shortfall: &str, remedy: &str) -> Finding {
    if shortfall.is_empty() {
        return subject.ok(what);
    }
    subject.differs(what, "enforced", waagent_common::text::shown(shortfall), remedy)
}
