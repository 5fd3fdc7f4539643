//! The goal state's URIs, which are secrets.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::types::{HandlerName, HandlerVersion};

/// The URIs of the goal state that `fetch/goal-state.json` tells: the part that nobody but the fetcher may see.
///
/// Written and read by waagent-fetch. Secrets: shared access signatures, so mode 0600 in a folder of mode 0700.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uris {
    /// The goal state that they belong to.
    pub goal_state_id: String,
    /// Where the status goes.
    pub status_blob: Option<StatusBlob>,
    /// The artifacts profile, which can put extensions on hold.
    pub profile: Option<String>,
    /// One for each handler, in the order of the goal state.
    pub extensions: Vec<ExtensionUris>,
}

/// Where the status goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusBlob {
    /// URI with its signature.
    pub uri: String,
    /// How it is written.
    pub kind: BlobKind,
}

/// Kinds of status blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobKind {
    /// One request.
    Block,
    /// Made empty, then written by pages of 512 bytes.
    Page,
}

/// Where a handler's manifest is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionUris {
    /// Handler.
    pub name: HandlerName,
    /// The version that the goal state asks for.
    pub version: HandlerVersion,
    /// Alternatives for the manifest: location, failover, additional ones.
    pub manifests: Vec<String>,
}

impl fmt::Debug for StatusBlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatusBlob({:?})", self.kind)
    }
}

impl fmt::Debug for Uris {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uris({}, {} extensions)", self.goal_state_id, self.extensions.len())
    }
}

impl fmt::Debug for ExtensionUris {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtensionUris({}, {} manifests)", self.name, self.manifests.len())
    }
}

impl Body for Uris {
    const NAME: &'static str = "uris";
    const PATH: &'static str = "/var/lib/waagent/fetch/private/goal-state-uris.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";
    const MAX_BYTES: u64 = 4 << 20;
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.whole("goal_state_id", self.goal_state_id.len(), 256);
        let uri = |uri: Option<&String>| uri.map_or(0, String::len);
        bounds.whole("status_blob.uri", uri(self.status_blob.as_ref().map(|blob| &blob.uri)), 4096);
        bounds.whole("profile", uri(self.profile.as_ref()), 4096);
        bounds.whole("extensions", self.extensions.len(), 256);
        for extension in &self.extensions {
            bounds.whole("extensions[].manifests", extension.manifests.len(), 16);
            for manifest in &extension.manifests {
                bounds.whole("extensions[].manifests[]", manifest.len(), 4096);
            }
        }
    }
}
