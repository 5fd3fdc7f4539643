//! The fetcher's memory across its runs.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds, DownloadChannel};

/// What the fetcher remembers between its runs and nobody else needs.
///
/// Written and read by waagent-fetch. Secrets: none; mode 0600 since it is nobody else's affair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// When the last goal state by Fast Track was made, in the form of `goal-state.created_on`. While it is there, an
    /// older goal state of the WireServer isn't run.
    pub fast_track_created_on: Option<String>,
    /// The channel that worked last for packages.
    pub download_channel: Option<DownloadChannel>,
}

impl Body for Cursor {
    const NAME: &'static str = "cursor";
    const PATH: &'static str = "/var/lib/waagent/fetch/cursor.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.texts("fast_track_created_on", &mut self.fast_track_created_on, 40);
    }
}
