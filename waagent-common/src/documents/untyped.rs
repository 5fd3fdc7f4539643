//! Documents of any kind, for people.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::durable;
use crate::fault::Fault;
use crate::json;
use crate::sandbox::SandboxReport;

/// Any document, for showing to a person: the envelope, and the body as it is, or passed over (`serde::de::IgnoredAny`).
///
/// No program acts on what it reads this way.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UntypedDocument<B = Value> {
    /// `waagent/<name>/<major>`.
    pub schema: String,
    /// The program that wrote it.
    pub written_by: String,
    /// RFC 3339.
    pub written_at: String,
    /// Names and digests of what it was made from.
    pub inputs: BTreeMap<String, String>,
    /// The sandbox that its writer was in.
    pub sandbox: SandboxReport,
    /// What it says.
    pub body: B,
}

impl<B: DeserializeOwned> UntypedDocument<B> {
    /// Reads any document of at most 12 MiB.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let bytes = durable::read_bounded(path, 12 << 20)?;
        json::read(&bytes, json::MAX_DEPTH)
            .map_err(|error| Fault::data(format!("cannot use '{}': {error}", path.display())))
    }
}
