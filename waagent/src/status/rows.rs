//! A row for each program: what its documents say.

use serde::Serialize;
use waagent_common::documents::{
    Body, Certificates, Document, Endpoint, ExtensionStatus, Failed, FetchStatus, Firewall, GoalState,
    Health, Media, ProvisionStatus, ResourceDisk, Transport,
};
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::sandbox::SandboxReport;

use super::words::{self, Shown, Words};

/// State of one program.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub program: &'static str,
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
    of_a_program.filter_map(|documents| Some(row(root, documents.first()?.0, documents))).collect()
}

fn row(root: &Root, program: &'static str, documents: &[Look]) -> Row {
    let mut row = Row {
        program,
        results: Vec::new(),
        failed: false,
        written_at: None,
        inputs: Vec::new(),
        sandbox: None,
        waits_for: Vec::new(),
    };
    for (_, look) in documents {
        row.add(look(root));
    }
    if row.results.is_empty() {
        row.results.push("has not written anything yet".to_owned());
    }
    row.add_failure(root);
    row
}

impl Row {
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

    /// A crash leaves no document of the program itself; `fetch/failed/` has it.
    fn add_failure(&mut self, root: &Root) {
        let path = root.path(Failed::PATH).join(format!("{}.service.json", self.program));
        if let Ok(Some(failed)) = Document::<Failed>::read_at_if_there(root, &path) {
            self.failed = true;
            self.results.push(format!("failed at {}: {}", failed.written_at, words::failure(&failed.body)));
        }
    }
}
