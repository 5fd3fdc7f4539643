//! The table of documents in `docs/architecture.md`, from the catalogue that the report reads too.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use waagent_common::documents::catalogue::Entry;

use crate::reach::{documents, writer};

/// Where the table is.
pub const FILE: &str = "docs/architecture.md";
const BEGIN: &str = "<!-- documents: by 'make audit', from the catalogue -->\n";
const END: &str = "<!-- end of documents -->\n";

/// What each document says, by its schema's name.
const WHAT: &[(&str, &str)] = &[
    ("begun", "foreign input that is being worked on: what ends the planner twice is passed over"),
    ("certificates", "public parts, state of each"),
    ("command", "one command of a handler"),
    ("command-result", "what became of it; hostile input"),
    ("cursor", "how far the conversation with the platform is"),
    ("disk-journal", "how far the preparation of the disk is"),
    ("endpoint", "the platform's address"),
    ("endpoint-problem", "the platform is silent there: starts net"),
    ("extension-state", "what is installed, how far each handler is"),
    ("extension-status", "ready to embed in the status blob"),
    ("failed", "a unit that failed, for people, and for the platform where it is provisioning's"),
    ("fetch-status", "how the platform answers"),
    ("firewall", "what is in force"),
    ("goal-state", "what this machine shall be, without URIs"),
    ("health", "what the platform was told last"),
    ("media", "the medium"),
    ("package", "what became of each"),
    ("plan", "what comes next"),
    ("provision-journal", "how far each step of provisioning is"),
    ("provision-status", "how far provisioning is"),
    ("resource-disk", "the resource disk"),
    ("sealed-certificates", "sealed for this machine"),
    ("transport", "public half of the transport pair"),
    ("transport-problem", "the pair can't be used: starts certs"),
    ("uris", "URIs with signatures"),
    ("wanted", "packages to get"),
];

/// The page with the table as it is now.
pub fn page(repository: &Path) -> Result<String> {
    let path = repository.join(FILE);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| format!("no marks of the documents in '{FILE}'"))?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table()?))
}

/// Writes the page, if it is another one.
pub fn update(repository: &Path) -> Result<()> {
    let (path, new) = (repository.join(FILE), page(repository)?);
    if fs::read_to_string(&path)? != new {
        fs::write(&path, new).with_context(|| format!("cannot write '{}'", path.display()))?;
    }
    Ok(())
}

fn table() -> Result<String> {
    let mut out = "| document | from | to | what |\n|---|---|---|---|\n".to_owned();
    for entry in documents() {
        let what = WHAT.iter().find(|(name, _)| *name == entry.name).map(|(_, what)| *what);
        let what = what.with_context(|| format!("no words for document '{}'", entry.name))?;
        put!(out, "| `{}` | {} | {} | {what} |\n", shown(entry.path), short(writer(&entry)), readers(&entry));
    }
    Ok(out)
}

/// Below the agent's folder without it; a folder stands for the documents in it.
fn shown(path: &str) -> String {
    let path = path.strip_prefix("/var/lib/waagent/").unwrap_or(path);
    match Path::new(path).extension() {
        Some(_) => path.to_owned(),
        None => format!("{path}/*.json"),
    }
}

fn readers(entry: &Entry) -> String {
    match entry.readers {
        [] if entry.mode == 0o600 => "itself".to_owned(),
        [] if entry.name.ends_with("-problem") => "PID 1 (path unit), people".to_owned(),
        [] => "people".to_owned(),
        readers => readers.iter().map(|name| short(name)).collect::<Vec<_>>().join(", "),
    }
}

fn short(program: &str) -> &str {
    program.strip_prefix("waagent-").unwrap_or(program)
}
