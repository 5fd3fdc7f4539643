//! What the installed programs say that they may do.

use anyhow::{Context, Result};
use waagent_common::fault::{Exit, Fault};
use waagent_declaration::Declaration;

use super::finding::{Finding, Layer, Subject};
use super::machine::{Machine, PROGRAMS};

/// The declarations of all programs that are installed; one that doesn't answer is a difference.
pub fn all(machine: &Machine, found: &mut Vec<Finding>) -> Result<Vec<Declaration>> {
    let mut declarations = Vec::new();
    for program in DECLARING {
        let subject = Subject::new(program, Layer::Digest);
        let path = format!("{PROGRAMS}/{program}");
        match ask(machine, &path) {
            Ok(Some(declaration)) if declaration.program == *program => declarations.push(declaration),
            Ok(Some(other)) => found.push(subject.compare(path, program, &other.program, REINSTALL)),
            Ok(None) => found.push(subject.differs(path, "installed", "missing", REINSTALL)),
            Err(error) => {
                let why = waagent_common::text::shown(&format!("{error:#}"));
                found.push(subject.differs(path, "prints its declaration", why, REINSTALL));
            }
        }
    }
    if declarations.is_empty() {
        let text = format!(
            "no program of the agent in '{}' says what it may do; reinstall the agent's package",
            machine.path(PROGRAMS).display()
        );
        return Err(Fault::new(Exit::Unavailable, text).into());
    }
    Ok(declarations)
}

fn ask(machine: &Machine, path: &str) -> Result<Option<Declaration>> {
    let Some(tool) = machine.tool(path) else { return Ok(None) };
    let output = tool.arg("--policy").run()?;
    Ok(Some(Declaration::parse(&output.stdout).context("--policy")?))
}

/// What restores installed files.
pub const REINSTALL: &str = "reinstall the agent's package";
/// Programs that declare what they may do.
const DECLARING: &[&str] = &[
    "waagent-net",
    "waagent-gate",
    "waagent-fetch",
    "waagent-transfer",
    "waagent-certs",
    "waagent-media",
    "waagent-provision",
    "waagent-disk",
    "waagent-ext",
    "waagent-ext-run",
];
