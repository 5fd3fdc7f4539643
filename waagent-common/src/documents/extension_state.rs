//! The planner's memory: handlers, their packages and signatures, and the work on one goal state.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Body, Bounds, CommandKind};
use crate::types::{HandlerName, HandlerVersion, Sha256};
use crate::words;

/// What the planner knows to be done: its memory across restarts.
///
/// Written and read by waagent-ext alone. Secrets: none; error texts of handlers, signatures cut.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionState {
    /// The boot in which the goal state run began.
    pub boot_id: String,
    /// The run of the chain in which the goal state run began.
    pub chain_id: String,
    /// Commands written so far: part of the next one's id.
    pub commands: u64,
    /// The one command that may be at work.
    pub command: Option<RunningCommand>,
    /// Work on the newest goal state; the file keeps its older name.
    #[serde(rename = "round")]
    pub goal_state_run: Option<GoalStateRun>,
    /// Every handler that we have touched.
    pub handlers: Vec<HandlerRecord>,
    /// `goalStateAggregateStatus` of the last goal state that was executed.
    pub aggregate: Option<Value>,
    /// Folders of removed handlers that couldn't be deleted.
    pub left_over: Vec<String>,
}

/// Work on one goal state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoalStateRun {
    /// Its id.
    pub goal_state_id: String,
    /// When the platform made it.
    pub created_on: String,
    /// Its number in the status.
    pub svd_sequence_number: i64,
    /// RFC 3339.
    pub started_at: String,
    /// Uptime at its start, in seconds: waiting for dependencies is counted from here.
    pub started_uptime_s: u64,
    /// Is all work over?
    pub complete: bool,
    /// One for each handler, in the order of work.
    pub items: Vec<GoalStateRunItem>,
}

/// One handler of a goal state run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoalStateRunItem {
    /// Handler.
    pub name: HandlerName,
    /// How far it is.
    pub state: ItemState,
    /// Exit status of the old version's disable command, for the new version's environment.
    pub disable_exit_code: Option<String>,
    /// Exit status of the old version's uninstall command.
    pub uninstall_exit_code: Option<String>,
    /// What was odd, for the error text of a later failure.
    pub note: Option<String>,
}

words! {
    /// How far a handler of a goal state run is.
    pub enum ItemState {
        /// There are steps left.
        Open = "open",
        /// All steps succeeded.
        Done = "done",
        /// A step failed: no further one in this run.
        Failed = "failed",
        /// Not begun, since something it depends on failed.
        Skipped = "skipped",
    }
}

/// A command that was handed to the runner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningCommand {
    /// Names its documents.
    pub id: String,
    /// What it is for.
    pub kind: CommandKind,
    /// Handler.
    pub name: HandlerName,
    /// The version whose command it is.
    pub version: HandlerVersion,
    /// The goal state that asked for it.
    pub goal_state_id: String,
    /// When it was written, in milliseconds since 1970.
    pub written_ms: u64,
    /// The handler's status file of this sequence number as it was then: see `ExtensionFailure::status_before`. Absent:
    /// not known, as of a command of an older version.
    #[serde(default)]
    pub status_before: Option<String>,
    /// The boot it belongs to.
    pub boot_id: String,
}

/// A handler as we know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandlerRecord {
    /// Handler; the spelling of the first goal state that named it.
    pub name: HandlerName,
    /// The version that is wanted or there.
    pub version: HandlerVersion,
    /// How far this version is.
    pub state: HandlerState,
    /// The version that it replaces, as long as that is there.
    pub previous: Option<PreviousVersion>,
    /// What the platform is told.
    pub status: HandlerStatus,
    /// Why the last goal state run failed.
    pub failure: Option<ExtensionFailure>,
    /// Sequence number of the last enable command that succeeded.
    pub sequence_number: Option<u32>,
    /// Number of the next download.
    pub attempt: u32,
    /// The package that was unpacked.
    pub package_sha256: Option<Sha256>,
    /// What is known of that package's signature; absent: nothing, as with what another agent unpacked.
    #[serde(default)]
    pub signature: Option<PackageSignature>,
    /// When it was last enabled, in seconds since 1970.
    pub enabled_at_s: Option<u64>,
}

words! {
    /// How far a version of a handler is.
    pub enum HandlerState {
        /// Nothing of it counts: what is in its folder is replaced.
        NotInstalled = "not-installed",
        /// Its package is in place; no command was run.
        Unpacked = "unpacked",
        /// The update command succeeded; the old version is still there.
        Updated = "updated",
        /// Installed, or disabled.
        Installed = "installed",
        /// Enabled.
        Enabled = "enabled",
        /// The update command failed.
        FailedUpgrade = "failed-upgrade",
        /// Uninstalled; the folder is still there.
        Uninstalled = "uninstalled",
    }
}

/// The version that an update replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousVersion {
    /// Version.
    pub version: HandlerVersion,
    /// How far it is.
    pub state: HandlerState,
    /// What is known of its package's signature.
    #[serde(default)]
    pub signature: Option<PackageSignature>,
}

/// What is known of the signature of a package that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSignature {
    /// Is the package what its publisher signed?
    pub verdict: SignatureVerdict,
    /// Digest of the package that was looked at.
    pub sha256: Sha256,
    /// Subject of the signer's certificate.
    pub signer: Option<String>,
    /// Subject of the root of its chain.
    pub root: Option<String>,
    /// When it was signed, by time stamp (RFC 3339), or `unchecked`.
    pub time: Option<String>,
    /// Why it was refused.
    pub why: Option<String>,
}

words! {
    /// Is a package what its publisher signed?
    pub enum SignatureVerdict {
        /// Yes: this handler, in this version.
        Verified = "verified",
        /// There is a signature, and it doesn't show it.
        Refused = "refused",
        /// There is none.
        Absent = "absent",
    }
}

/// Status of a handler, as the platform is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandlerStatus {
    /// `Ready`, `NotReady`, `Installing`.
    pub status: HandlerReadiness,
    /// 0, or an error number that the platform knows.
    pub code: i32,
    /// For people.
    pub message: String,
}

words! {
    /// The platform's words for a handler.
    pub enum HandlerReadiness {
        /// Enabled.
        Ready = "Ready",
        /// Not enabled, or failed.
        NotReady = "NotReady",
        /// At work.
        Installing = "Installing",
        /// Its heartbeat is old.
        Unresponsive = "Unresponsive",
    }
}

/// An error of the agent or of a command, as the extension's own status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionFailure {
    /// The settings that it belongs to.
    pub sequence_number: Option<u32>,
    /// Error number that the platform knows.
    pub code: i32,
    /// For people.
    pub message: String,
    /// `Install`, `Download` ...
    pub operation: String,
    /// Tells the status file that was there before (inode, size and times; empty: there was none) from what came later,
    /// which speaks for itself. Absent: none does.
    #[serde(default)]
    pub status_before: Option<String>,
    /// Read from states of older versions, which compared times; never used, never written.
    #[serde(default, skip_serializing)]
    pub since_ms: Option<u64>,
}

impl ExtensionState {
    /// Most handlers that are remembered: those of a goal state, and as many that aren't in it.
    pub const MAX_HANDLERS: usize = 512;
}

impl GoalStateRun {
    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("round.goal_state_id", &mut self.goal_state_id, 256);
        bounds.text("round.created_on", &mut self.created_on, 256);
        bounds.text("round.started_at", &mut self.started_at, 40);
        bounds.whole("round.items", self.items.len(), 256);
        for item in &mut self.items {
            bounds.texts("round.items[].disable_exit_code", &mut item.disable_exit_code, 64);
            bounds.texts("round.items[].uninstall_exit_code", &mut item.uninstall_exit_code, 64);
            bounds.texts("round.items[].note", &mut item.note, 4096);
        }
    }
}

impl HandlerRecord {
    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("handlers[].status.message", &mut self.status.message, 16 << 10);
        if let Some(failure) = &mut self.failure {
            bounds.text("handlers[].failure.message", &mut failure.message, 16 << 10);
            bounds.text("handlers[].failure.operation", &mut failure.operation, 64);
            bounds.texts("handlers[].failure.status_before", &mut failure.status_before, 256);
        }
        let previous = self.previous.as_mut().and_then(|previous| previous.signature.as_mut());
        for signature in self.signature.iter_mut().chain(previous) {
            bounds.texts("handlers[].signature.signer", &mut signature.signer, 1024);
            bounds.texts("handlers[].signature.root", &mut signature.root, 1024);
            bounds.texts("handlers[].signature.time", &mut signature.time, 64);
            bounds.texts("handlers[].signature.why", &mut signature.why, 16 << 10);
        }
    }
}

impl Body for ExtensionState {
    const NAME: &'static str = "extension-state";
    const PATH: &'static str = "/var/lib/waagent/ext/state.json";
    const PROGRAM: &'static str = "waagent-ext";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 4 << 20;
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("boot_id", &mut self.boot_id, 64);
        bounds.text("chain_id", &mut self.chain_id, 64);
        if let Some(command) = &mut self.command {
            bounds.texts("command.status_before", &mut command.status_before, 256);
        }
        bounds.list("handlers", &mut self.handlers, Self::MAX_HANDLERS);
        bounds.list("left_over", &mut self.left_over, 1024);
        bounds.texts("left_over[]", &mut self.left_over, 1024);
        if let Some(run) = &mut self.goal_state_run {
            run.bounds(bounds);
        }
        for record in &mut self.handlers {
            record.bounds(bounds);
        }
    }
}
