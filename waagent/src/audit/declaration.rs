//! What the installed programs say that they may do.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;
use waagent_common::fault::{Exit, Fault};

use super::finding::{Finding, Layer, Subject};
use super::machine::{Machine, PROGRAMS};

/// The part of a declaration that can be compared with what is in force; see `Policy` in waagent-common.
#[derive(Debug, Clone, Deserialize)]
pub struct Declaration {
    /// Name of the program.
    pub program: String,
    /// Whose rights it has.
    pub runs_as: RunsAs,
    /// Supplementary groups.
    pub groups: Vec<Grant>,
    /// Its SELinux domain.
    pub selinux: String,
    /// Its capabilities.
    pub capabilities: Vec<Grant>,
    /// Its address families.
    pub families: Vec<Grant>,
    /// Its system calls.
    pub syscalls: Vec<Calls>,
}

/// Whose rights a program has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsAs {
    /// A user of its own.
    User(String),
    /// uid 0.
    Root,
    /// Whoever started it.
    Caller,
}

/// A thing that is granted.
#[derive(Debug, Clone, Deserialize)]
pub struct Grant {
    /// The thing.
    pub what: String,
}

/// System calls.
#[derive(Debug, Clone, Deserialize)]
pub struct Calls {
    /// Their names.
    pub calls: Vec<String>,
}

impl Declaration {
    /// The user's name.
    pub fn user(&self) -> &str {
        match &self.runs_as {
            RunsAs::User(user) => user,
            RunsAs::Root | RunsAs::Caller => "root",
        }
    }

    /// Does it declare that nothing confines it?
    pub fn is_unconfined(&self) -> bool {
        self.capabilities.iter().any(|grant| grant.what == "all")
    }

    /// Its capabilities in the spelling of systemd: `cap_net_admin`.
    pub fn capabilities(&self) -> BTreeSet<String> {
        self.capabilities.iter().map(|grant| grant.what.to_lowercase()).collect()
    }
}

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
    Ok(Some(serde_json::from_str(&output.stdout).context("--policy")?))
}

/// What restores installed files.
pub const REINSTALL: &str = "reinstall the agent's package";
/// Programs that declare what they may do.
const DECLARING: &[&str] = &[
    "waagent-net",
    "waagent-gate",
    "waagent-fetch",
    "waagent-certs",
    "waagent-media",
    "waagent-provision",
    "waagent-disk",
    "waagent-ext",
    "waagent-ext-run",
];
