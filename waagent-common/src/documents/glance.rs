use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::durable;
use crate::fault::Fault;
use crate::sandbox::SandboxReport;
use crate::text::shown;

/// Any document, for showing to a person: the envelope, and the body as it is.
///
/// No program acts on what it reads this way.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Glance {
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
    pub body: Value,
}

impl Glance {
    /// Reads any document of at most 16 MiB.
    pub fn read(path: &Path) -> Result<Self, Fault> {
        let bytes = durable::read_bounded(path, 16 << 20)?;
        serde_json::from_slice(&bytes)
            .map_err(|e| Fault::data(format!("cannot use '{}': {}", path.display(), shown(&e.to_string()))))
    }
}
