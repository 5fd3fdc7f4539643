//! A row for each program: what its documents say.

use std::borrow::Cow;
use std::fs;
use std::io::ErrorKind;

use serde::Serialize;
use waagent_common::documents::{
    Body, Certificates, Document, Endpoint, ExtensionStatus, Failed, FetchStatus, Firewall, GoalState,
    Health, Media, ProvisionStatus, ResourceDisk, Transport,
};
use waagent_common::fault::Fault;
use waagent_common::gate::client::{GateError, counts};
use waagent_common::gate::protocol::SOCKET;
use waagent_common::root::Root;
use waagent_common::sandbox::SandboxReport;
use waagent_common::text::shown;

use super::words::{self, Shown, Words};

/// State of one program.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub program: Cow<'static, str>,
    /// Its last results, the newest document's last.
    pub results: Vec<String>,
    /// Did the last run fail, or is a document of its damaged?
    pub failed: bool,
    /// When it wrote last, RFC 3339.
    pub written_at: Option<String>,
    /// What its last document was made from.
    pub inputs: Vec<String>,
    /// The sandbox that it was in.
    pub sandbox: Option<SandboxReport>,
    /// What it waits for.
    pub waits_for: Vec<String>,
}

/// A document's program, and how to look at it.
type Look = (&'static str, fn(&Root) -> Result<Option<Seen>, Fault>);

/// What is shown, in the order of a boot.
const DOCUMENTS: &[Look] = &[
    of::<Endpoint>(),
    of::<Firewall>(),
    of::<Media>(),
    of::<ProvisionStatus>(),
    of::<ResourceDisk>(),
    of::<Transport>(),
    of::<Certificates>(),
    of::<GoalState>(),
    of::<Health>(),
    of::<FetchStatus>(),
    of::<ExtensionStatus>(),
];

const fn of<T: Shown>() -> Look {
    (T::PROGRAM, look::<T>)
}

/// What a document says, and when and where it was said.
struct Seen {
    words: Words,
    written_at: String,
    inputs: Vec<String>,
    sandbox: SandboxReport,
}

fn look<T: Shown>(root: &Root) -> Result<Option<Seen>, Fault> {
    let document = Document::<T>::read_if_there(root)?;
    Ok(document.map(|document| Seen {
        words: document.body.words(),
        written_at: document.written_at,
        inputs: document.inputs.into_keys().collect(),
        sandbox: document.sandbox,
    }))
}

/// All rows.
pub fn rows(root: &Root) -> Vec<Row> {
    let of_a_program = DOCUMENTS.chunk_by(|one, next| one.0 == next.0);
    let mut rows: Vec<Row> =
        of_a_program.filter_map(|documents| Some(row(root, documents.first()?.0, documents))).collect();
    rows.extend(gate(root));
    for failed in failures(root) {
        let unit = shown(failed.body.unit.strip_suffix(".service").unwrap_or(&failed.body.unit));
        let program = program_of(&unit);
        if !rows.iter().any(|row| row.program == program) {
            rows.push(Row::new(unit.clone().into()));
        }
        for row in rows.iter_mut().filter(|row| row.program == program) {
            row.add_failure(&unit, &failed);
        }
    }
    rows
}

/// The gate writes no document: root may ask it. Nothing where it has no socket.
fn gate(root: &Root) -> Option<Row> {
    if !root.runtime_path(SOCKET).exists() {
        return None;
    }
    let mut row = Row::new("waagent-gate".into());
    row.results.push(match counts(root) {
        Ok(line) => line,
        Err(GateError::NoGate(_, error)) if error.kind() == ErrorKind::PermissionDenied => {
            "tells root alone what it has refused".to_owned()
        }
        Err(error) => {
            row.failed = true;
            error.to_string()
        }
    });
    Some(row)
}

/// A crash leaves no document of the program itself; `fetch/failed/` has it, by units.
fn failures(root: &Root) -> Vec<Document<Failed>> {
    let Ok(folder) = fs::read_dir(root.path(Failed::PATH)) else { return Vec::new() };
    let mut paths: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).take(MAX_NOTES).collect();
    paths.sort();
    paths.iter().filter_map(|path| Document::read_at_if_there(root, path).ok().flatten()).collect()
}

/// Whose unit it is, where its name isn't the program's.
fn program_of(unit: &str) -> &str {
    match unit {
        "waagent-firewall" => "waagent-net",
        "waagent-disk-finish" => "waagent-disk",
        "waagent-provision-late" => "waagent-provision",
        other => other,
    }
}

/// More are never written.
const MAX_NOTES: usize = 32;

fn row(root: &Root, program: &'static str, documents: &[Look]) -> Row {
    let mut row = Row::new(program.into());
    for (_, look) in documents {
        row.add(look(root));
    }
    if row.results.is_empty() {
        row.results.push("has not written anything yet".to_owned());
    }
    row
}

impl Row {
    fn new(program: Cow<'static, str>) -> Self {
        Self {
            program,
            results: Vec::new(),
            failed: false,
            written_at: None,
            inputs: Vec::new(),
            sandbox: None,
            waits_for: Vec::new(),
        }
    }

    fn add(&mut self, seen: Result<Option<Seen>, Fault>) {
        let seen = match seen {
            Ok(Some(seen)) => seen,
            Ok(None) => return,
            Err(fault) => {
                self.failed = true;
                self.results.push(fault.text);
                return;
            }
        };
        self.failed |= seen.words.failed;
        self.results.extend(seen.words.results);
        self.waits_for.extend(seen.words.waits_for);
        if self.written_at.as_ref().is_none_or(|before| *before <= seen.written_at) {
            self.written_at = Some(seen.written_at);
            self.inputs = seen.inputs;
            self.sandbox = Some(seen.sandbox);
        }
    }

    fn add_failure(&mut self, unit: &str, failed: &Document<Failed>) {
        self.failed = true;
        let which = if self.program == unit { String::new() } else { format!("{unit} ") };
        let why = words::failure(&failed.body);
        self.results.push(format!("{which}failed at {}: {why}", failed.written_at));
    }
}
