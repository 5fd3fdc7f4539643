//! The extensions part of a goal state, whichever way it came.

use jiff::Timestamp;
use waagent_common::documents::{AgentFamily, Extension, ExtensionUris, GoalStateSource, StatusBlob};
use waagent_common::text::cut;

use crate::http::StorageUri;

/// The extensions part of a goal state.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtensionsState {
    /// `incarnation_<n>` or `etag_<n>`.
    pub id: String,
    /// Which way it came.
    pub source: GoalStateSource,
    /// ETag, in the Fast Track case.
    pub etag: Option<String>,
    /// When the platform made it: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, so that texts compare as times.
    pub created_on: String,
    /// For correlation in the platform's logs.
    pub activity_id: String,
    /// For correlation in the platform's logs.
    pub correlation_id: String,
    /// Reported back.
    pub svd_sequence_number: i64,
    /// Where the status goes.
    pub status_blob: Option<StatusBlob>,
    /// The artifacts profile.
    pub profile: Option<String>,
    /// Extensions wait.
    pub on_hold: bool,
    /// What an agent must be able to do.
    pub required_features: Vec<String>,
    /// What the platform offers of its own agent.
    pub agent_families: Vec<AgentFamily>,
    /// One for each handler.
    pub extensions: Vec<Extension>,
    /// Where their manifests are, in the same order.
    pub uris: Vec<ExtensionUris>,
    /// What was odd and got over, for the log.
    pub notes: Vec<String>,
}

/// The manifest URIs of a handler: at most 16, the odd ones left out with a note.
pub fn manifests<'a>(
    name: &str,
    given: impl Iterator<Item = &'a str>,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut uris = Vec::new();
    for uri in given.map(str::trim).filter(|uri| !uri.is_empty()) {
        // Whether plain http is allowed is decided where it is followed.
        match StorageUri::parse(uri, true) {
            Err(error) => notes.push(format!("manifest of '{name}': {error}, ignoring")),
            Ok(_) if uris.len() >= MAX_MANIFESTS => {
                notes.push(format!("more than {MAX_MANIFESTS} manifest URIs of '{name}', ignoring"));
                break;
            }
            Ok(_) => uris.push(uri.to_owned()),
        }
    }
    uris
}

/// A text that goes back to the platform or into the log: what it is when it's empty, and cut.
pub fn correlation(text: Option<&str>) -> String {
    match text.map(str::trim) {
        Some(text) if !text.is_empty() => cut(text, 64).to_owned(),
        _ => ZERO_ID.to_owned(),
    }
}

/// The time of a count of 100 ns since the year 1; year 1 for what is no such count.
pub fn created_on(ticks: Option<i64>) -> String {
    let micros = ticks.filter(|ticks| *ticks >= 0).map_or(YEAR_ONE, |ticks| ticks / 10 + YEAR_ONE);
    let time = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let text = time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    if text.len() == EPOCH.len() && micros >= YEAR_ONE && time.as_microsecond() == micros {
        text
    } else {
        EPOCH.to_owned()
    }
}

/// Where nothing was said.
pub const ZERO_ID: &str = "00000000-0000-0000-0000-000000000000";
/// The time of tick 0.
pub const EPOCH: &str = "0001-01-01T00:00:00.000000Z";
/// The same in microseconds since 1970.
const YEAR_ONE: i64 = -62_135_596_800_000_000;
const MAX_MANIFESTS: usize = 16;
/// Handlers of a goal state.
pub const MAX_HANDLERS: usize = 256;
/// Instances of one handler.
pub const MAX_INSTANCES: usize = 64;
/// Settings of one instance, in bytes.
pub const MAX_SETTINGS: usize = 4 << 20;
/// Detached signature of a package, base64.
pub const MAX_SIGNATURE: usize = 32 << 10;
