//! The extensions part of a goal state, whichever way it came.

use waagent_common::documents::{AgentFamily, Extension, ExtensionUris, GoalStateSource, StatusBlob};
use waagent_common::json;
use waagent_common::text::cut;
use waagent_common::time;

use crate::failure::Failure;
use crate::http::StorageUri;

/// The extensions part of a goal state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExtensionsState {
    /// `incarnation_<n>` or `etag_<n>`.
    pub(crate) id: String,
    /// Which way it came.
    pub(crate) source: GoalStateSource,
    /// ETag, in the Fast Track case.
    pub(crate) etag: Option<String>,
    /// When the platform made it: `YYYY-MM-DDTHH:MM:SS.ffffffZ`, so that texts compare as times.
    pub(crate) created_on: String,
    /// For correlation in the platform's logs.
    pub(crate) activity_id: String,
    /// For correlation in the platform's logs.
    pub(crate) correlation_id: String,
    /// Reported back.
    pub(crate) svd_sequence_number: i64,
    /// Where the status goes.
    pub(crate) status_blob: Option<StatusBlob>,
    /// The artifacts profile.
    pub(crate) profile: Option<String>,
    /// Extensions wait.
    pub(crate) on_hold: bool,
    /// What an agent must be able to do.
    pub(crate) required_features: Vec<String>,
    /// What the platform offers of its own agent.
    pub(crate) agent_families: Vec<AgentFamily>,
    /// One for each handler.
    pub(crate) extensions: Vec<Extension>,
    /// Where their manifests are, in the same order.
    pub(crate) uris: Vec<ExtensionUris>,
    /// What was odd and got over, for the log.
    pub(crate) notes: Vec<String>,
}

impl ExtensionsState {
    /// Cuts what is too much for the documents that are made of it: the extension at which it is too much fails, and
    /// what follows it, as far as it is too much.
    pub(crate) fn fit(&mut self) {
        let mut left = Room { settings: MAX_ALL_SETTINGS, dependencies: MAX_DEPENDENCIES, bytes: MAX_BYTES };
        for extension in &mut self.extensions {
            if let Some(text) = &mut extension.error {
                *text = cut(text, 4096).to_owned();
            }
            if let Err(failure) = left.take(extension) {
                extension.encoded_signature = None;
                extension.settings.clear();
                extension.error = Some(failure.text);
            }
        }
        let mut left = MAX_URI_BYTES;
        for uris in &mut self.uris {
            uris.manifests.retain(|uri| match left.checked_sub(json::length(uri)) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            });
        }
        self.notes.truncate(MAX_NOTES);
    }
}

/// What the documents still have room for.
struct Room {
    settings: usize,
    dependencies: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, extension: &Extension) -> Result<(), Failure> {
        let dependencies = extension.settings.iter().map(|one| one.depends_on.len()).sum();
        let refuse = |what: String| {
            Failure::nonsense(format!("the extensions of the goal state have {what} together"))
        };
        let left = (
            self.settings.checked_sub(extension.settings.len()),
            self.dependencies.checked_sub(dependencies),
            self.bytes.checked_sub(json::length(extension)),
        );
        match left {
            (None, ..) => return Err(refuse(format!("more than {MAX_ALL_SETTINGS} settings"))),
            (_, None, _) => return Err(refuse(format!("more than {MAX_DEPENDENCIES} dependencies"))),
            (.., None) => return Err(refuse(format!("more than {MAX_BYTES} bytes"))),
            (Some(settings), Some(dependencies), Some(bytes)) => {
                *self = Self { settings, dependencies, bytes };
            }
        }
        Ok(())
    }
}

/// The manifest URIs of a handler: at most 16, the odd ones left out with a note.
pub(crate) fn manifests<'a>(
    name: &str,
    given: impl Iterator<Item = &'a str>,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let mut uris = Vec::new();
    for uri in given.map(str::trim).filter(|uri| !uri.is_empty()).take(4 * MAX_MANIFESTS) {
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
pub(crate) fn correlation(text: Option<&str>) -> String {
    match text.map(str::trim) {
        Some(text) if !text.is_empty() => cut(text, 64).to_owned(),
        _ => ZERO_ID.to_owned(),
    }
}

/// The time of a count of 100 ns since the year 1; year 1 for what is no such count.
pub(crate) fn created_on(ticks: Option<i64>) -> String {
    let micros = ticks.filter(|ticks| *ticks >= 0).map_or(YEAR_ONE, |ticks| ticks / 10 + YEAR_ONE);
    // A year of five digits is none that the platform has.
    let text = time::of_unix_micros(micros).filter(|text| micros >= YEAR_ONE && text.len() == EPOCH.len());
    text.unwrap_or_else(|| EPOCH.to_owned())
}

/// Where nothing was said.
pub(crate) const ZERO_ID: &str = "00000000-0000-0000-0000-000000000000";
/// The time of tick 0.
pub(crate) const EPOCH: &str = "0001-01-01T00:00:00.000000Z";
/// The same in microseconds since 1970.
const YEAR_ONE: i64 = -62_135_596_800_000_000;
const MAX_MANIFESTS: usize = 16;
/// Handlers of a goal state.
pub(crate) const MAX_HANDLERS: usize = 256;
/// Instances of one handler.
pub(crate) const MAX_INSTANCES: usize = 64;
/// Settings of all handlers, and what they depend on: the values of the document are counted too.
const MAX_ALL_SETTINGS: usize = 512;
const MAX_DEPENDENCIES: usize = 2048;
/// All handlers as JSON, in bytes. Without indentation, and with room for the rest of the document.
const MAX_BYTES: usize = 11 << 20;
/// All manifest URIs together, in bytes.
const MAX_URI_BYTES: usize = 3 << 20;
/// What is odd is said so often.
const MAX_NOTES: usize = 256;
/// Settings of one instance, in bytes.
pub(crate) const MAX_SETTINGS: usize = 4 << 20;
/// Detached signature of a package, base64.
pub(crate) const MAX_SIGNATURE: usize = 32 << 10;
