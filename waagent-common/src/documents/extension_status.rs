//! The extensions' part of the status blob.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Body, Bounds};

/// What the extensions came to, ready to be embedded in the platform's status blob.
///
/// Written by waagent-ext; read by waagent-fetch. Secrets: texts of handlers, signatures cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionStatus {
    /// The goal state that this answers; absent before the first.
    pub goal_state_id: Option<String>,
    /// Is work on that goal state over?
    pub complete: bool,
    /// `handlerAggregateStatus` of the status blob: one object per handler or instance.
    pub handlers: Vec<Value>,
    /// `goalStateAggregateStatus` of the status blob; absent until the first goal state was executed.
    pub goal_state_aggregate: Option<Value>,
    /// Processes and folders of removed handlers that are still there.
    pub left_over: Vec<String>,
}

impl Body for ExtensionStatus {
    const NAME: &'static str = "extension-status";
    const PATH: &'static str = "/var/lib/waagent/ext/status.json";
    const PROGRAM: &'static str = "waagent-ext";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 960 << 10;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.texts("goal_state_id", &mut self.goal_state_id, 256);
        bounds.list("handlers", &mut self.handlers, 4096);
        bounds.list("left_over", &mut self.left_over, 4096);
        bounds.texts("left_over[]", &mut self.left_over, 1024);
    }
}
