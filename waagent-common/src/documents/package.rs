//! Packages: those that are wanted, and what became of each.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::types::{HandlerName, HandlerVersion, Sha256};
use crate::words;

/// The packages that are to be fetched.
///
/// Written by waagent-ext, which knows what is installed and allowed; read by waagent-fetch, which knows the URIs.
/// Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The goal state that asks for them.
    pub goal_state_id: String,
    /// In the order of need.
    pub packages: Vec<WantedPackage>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedPackage {
    /// Handler.
    pub name: HandlerName,
    /// The version that the goal state names.
    pub version: HandlerVersion,
    /// A new number asks for a new download.
    pub attempt: u32,
}

impl Body for Wanted {
    const NAME: &'static str = "wanted";
    const PATH: &'static str = "/var/lib/waagent/ext/wanted.json";
    const PROGRAM: &'static str = "waagent-ext";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 256 << 10;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("goal_state_id", &mut self.goal_state_id, 256);
        bounds.whole("packages", self.packages.len(), 256);
    }
}

/// What became of one wanted package: `fetch/packages/<name>-<version>.json`, the package beside it as `.zip`.
///
/// Written by waagent-fetch; read by waagent-ext. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Handler.
    pub name: HandlerName,
    /// The version that was asked for.
    pub version: HandlerVersion,
    /// The attempt of `wanted` that this answers.
    pub attempt: u32,
    /// Is the `.zip` there?
    pub state: PackageState,
    /// Where it came from, without query.
    pub uri: Option<String>,
    /// Size of the `.zip`, in bytes.
    pub size: Option<u64>,
    /// Digest of the `.zip`.
    pub sha256: Option<Sha256>,
    /// How it came.
    pub channel: Option<DownloadChannel>,
    /// Detached CMS signature of the goal state over the package, base64.
    pub signature: Option<String>,
    /// Why it isn't there: a text for the extension's status.
    pub error: Option<String>,
}

words! {
    /// State of a wanted package.
    pub enum PackageState {
        /// The `.zip` is there, whole.
        Ready = "ready",
        /// The manifest doesn't list the version.
        NoMatch = "no-match",
        /// The manifest lists no URI for it, or the goal state none for the manifest.
        NoUri = "no-uri",
        /// Every URI and channel failed.
        Failed = "failed",
    }
}

words! {
    /// How a package comes.
    pub enum DownloadChannel {
        /// From storage.
        Direct = "direct",
        /// Through the platform's plugin on the host.
        HostGaPlugin = "host-ga-plugin",
    }
}

impl Package {
    /// File name without extension: `<name>-<version>`.
    pub fn stem(name: &HandlerName, version: &HandlerVersion) -> String {
        format!("{name}-{version}")
    }
}

impl Body for Package {
    const NAME: &'static str = "package";
    const PATH: &'static str = "/var/lib/waagent/fetch/packages";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.texts("uri", &mut self.uri, 4096);
        let signature = self.signature.as_ref().map_or(0, String::len);
        bounds.whole("signature", signature, 32 << 10);
        bounds.texts("error", &mut self.error, 4096);
    }
}
