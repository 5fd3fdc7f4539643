//! What waagent-ext was at work on when it ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};

/// Foreign bytes that waagent-ext works on, recorded before it begins: what ended it twice isn't begun a third time.
///
/// Written and read by waagent-ext alone. Secrets: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashRecord {
    /// What is worked on; found at a start, it is what the last run ended at.
    pub input: Option<Foreign>,
    /// What runs ended at, the oldest first.
    pub ends: Vec<End>,
}

/// Bytes of others, as they were.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Foreign {
    /// What they are.
    pub kind: ForeignKind,
    /// `<name>-<version>` of the handler that they belong to; empty for the goal state.
    pub of: String,
    /// Tells them from others of the same kind: a digest, a sequence number, inode, size and times of a file.
    pub stamp: String,
}

/// Kinds of foreign bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignKind {
    /// The goal state's document.
    GoalState,
    /// A handler's package: digest, signature, entries.
    Package,
    /// `HandlerManifest.json`.
    Manifest,
    /// An extension's settings.
    Settings,
    /// A status file.
    Status,
    /// A heartbeat file.
    Heartbeat,
    /// Statuses of the version that an update replaces.
    Carried,
}

/// How often a run ended at an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The input.
    pub input: Foreign,
    /// How often.
    pub times: u32,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = &self.of;
        match self.kind {
            ForeignKind::GoalState => f.write_str("the goal state"),
            ForeignKind::Package => write!(f, "the package {of}"),
            ForeignKind::Manifest => write!(f, "HandlerManifest.json of {of}"),
            ForeignKind::Settings => write!(f, "the settings for {of}"),
            ForeignKind::Status => write!(f, "the status file of {of}"),
            ForeignKind::Carried => write!(f, "the statuses that {of} leaves"),
            ForeignKind::Heartbeat => write!(f, "heartbeat.log of {of}"),
        }
    }
}

impl CrashRecord {
    /// Most inputs that are remembered.
    pub const MAX_ENDS: usize = 64;
}

impl Body for CrashRecord {
    const NAME: &'static str = "begun";
    const PATH: &'static str = "/var/lib/waagent/ext/begun.json";
    const PROGRAM: &'static str = "waagent-ext";
    const WRITER: &'static str = "root";
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.list("ends", &mut self.ends, Self::MAX_ENDS);
        for input in self.ends.iter_mut().map(|end| &mut end.input).chain(&mut self.input) {
            bounds.text("of", &mut input.of, 256);
            bounds.text("stamp", &mut input.stamp, 256);
        }
    }
}
