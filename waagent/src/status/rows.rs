//! A row for each program: what its documents say.

use std::path::Path;

use serde::Serialize;
use waagent_common::documents::UntypedDocument;
use waagent_common::place::Place;
use waagent_common::sandbox::SandboxReport;

use super::words;

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

/// A document, and how to put it in words.
type Summary = fn(&serde_json::Value) -> words::Words;

/// Programs in the order of a boot, with their documents.
const PROGRAMS: &[(&str, &[(&str, Summary)])] = &[
    (
        "waagent-net",
        &[
            ("/var/lib/waagent/net/endpoint.json", words::endpoint),
            ("/var/lib/waagent/net/firewall.json", words::firewall),
        ],
    ),
    ("waagent-media", &[("/run/waagent/media/media.json", words::media)]),
    ("waagent-provision", &[("/var/lib/waagent/provision/status.json", words::provision)]),
    ("waagent-disk", &[("/var/lib/waagent/disk/resource.json", words::disk)]),
    (
        "waagent-certs",
        &[
            ("/var/lib/waagent/certs/transport.json", words::transport),
            ("/var/lib/waagent/certs/certificates.json", words::certificates),
        ],
    ),
    (
        "waagent-fetch",
        &[
            ("/var/lib/waagent/fetch/goal-state.json", words::goal_state),
            ("/var/lib/waagent/fetch/health.json", words::health),
            ("/var/lib/waagent/fetch/status.json", words::fetch),
        ],
    ),
    ("waagent-ext", &[("/var/lib/waagent/ext/status.json", words::extensions)]),
];

/// All rows.
pub fn rows(place: &Place) -> Vec<Row> {
    PROGRAMS.iter().map(|(program, documents)| row(place, program, documents)).collect()
}

fn row(place: &Place, program: &'static str, documents: &[(&str, Summary)]) -> Row {
    let mut row = Row {
        program,
        results: Vec::new(),
        failed: false,
        written_at: None,
        inputs: Vec::new(),
        sandbox: None,
        waits_for: Vec::new(),
    };
    for (path, summary) in documents {
        row.add(&place.path(path), *summary);
    }
    if row.results.is_empty() {
        row.results.push("has not written anything yet".to_owned());
    }
    row.add_failure(place);
    row
}

impl Row {
    fn add(&mut self, path: &Path, summary: Summary) {
        if !path.exists() {
            return;
        }
        let glance = match UntypedDocument::read(path) {
            Ok(glance) => glance,
            Err(fault) => {
                self.failed = true;
                self.results.push(fault.text);
                return;
            }
        };
        let words = summary(&glance.body);
        self.failed |= words.failed;
        self.results.extend(words.results);
        self.waits_for.extend(words.waits_for);
        if self.written_at.as_ref().is_none_or(|before| *before <= glance.written_at) {
            self.written_at = Some(glance.written_at);
            self.inputs = glance.inputs.into_keys().collect();
            self.sandbox = Some(glance.sandbox);
        }
    }

    /// A crash leaves no document of the program itself; `fetch/failed/` has it.
    fn add_failure(&mut self, place: &Place) {
        let path = place.lib(format!("fetch/failed/{}.service.json", self.program));
        if path.exists()
            && let Ok(glance) = UntypedDocument::read(&path)
        {
            self.failed = true;
            self.results.push(format!("failed at {}: {}", glance.written_at, words::failure(&glance.body)));
        }
    }
}
