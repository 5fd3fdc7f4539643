//! The fetcher's state, for people, and its word that it needs a transport certificate.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};

/// How the fetcher gets on with the platform. Written when that changes, not at each poll.
///
/// Written by waagent-fetch; read by people. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchStatus {
    /// How it gets on.
    pub state: FetchState,
    /// The WireServer's address.
    pub endpoint: Ipv4Addr,
    /// The goal state that was published last.
    pub goal_state_id: Option<String>,
    /// Does the host offer Fast Track? Unknown before the first answer.
    pub fast_track: Option<bool>,
    /// Why the last poll failed, if it did.
    pub error: Option<String>,
    /// What the last goal state had that was got over.
    pub notes: Vec<String>,
}

/// How the fetcher gets on, written as a sentence: `goal state 5, fast track`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FetchState {
    /// The WireServer doesn't answer.
    Silent,
    /// It speaks no version of the protocol that we speak.
    UnsupportedPlatform,
    /// It answers, but with nothing that can be used.
    Unusable,
    /// It answers, and there is no goal state yet.
    NoGoalState,
    /// The last poll went well.
    GoalState {
        /// Incarnation of the WireServer's goal state.
        incarnation: String,
        /// Did the extensions come by Fast Track?
        is_fast_track: bool,
    },
}

const SILENT: &str = "waiting for the WireServer";
const UNSUPPORTED: &str = "unsupported-platform";
const UNUSABLE: &str = "answers without a usable goal state";
const NO_GOAL_STATE: &str = "no goal state";
const GOAL_STATE: &str = "goal state ";
const FAST_TRACK: &str = ", fast track";

impl fmt::Display for FetchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str(SILENT),
            Self::UnsupportedPlatform => f.write_str(UNSUPPORTED),
            Self::Unusable => f.write_str(UNUSABLE),
            Self::NoGoalState => f.write_str(NO_GOAL_STATE),
            Self::GoalState { incarnation, is_fast_track } => {
                write!(f, "{GOAL_STATE}{incarnation}{}", if *is_fast_track { FAST_TRACK } else { "" })
            }
        }
    }
}

impl From<FetchState> for String {
    fn from(state: FetchState) -> Self {
        state.to_string()
    }
}

impl TryFrom<String> for FetchState {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match text.as_str() {
            SILENT => Self::Silent,
            UNSUPPORTED => Self::UnsupportedPlatform,
            UNUSABLE => Self::Unusable,
            NO_GOAL_STATE => Self::NoGoalState,
            other => {
                let rest = other.strip_prefix(GOAL_STATE).ok_or("not a state of the fetcher")?;
                let incarnation = rest.strip_suffix(FAST_TRACK).unwrap_or(rest);
                Self::GoalState {
                    incarnation: incarnation.to_owned(),
                    is_fast_track: incarnation.len() < rest.len(),
                }
            }
        })
    }
}

impl Body for FetchStatus {
    const NAME: &'static str = "fetch-status";
    const PATH: &'static str = "/var/lib/waagent/fetch/status.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";
    const MAX_BYTES: u64 = 1 << 20;

    fn bounds(&mut self, bounds: &mut Bounds) {
        if let FetchState::GoalState { incarnation, .. } = &mut self.state {
            bounds.text("state", incarnation, 256);
        }
        bounds.texts("goal_state_id", &mut self.goal_state_id, 256);
        bounds.texts("error", &mut self.error, 4096);
        bounds.list("notes", &mut self.notes, 256);
        bounds.texts("notes[]", &mut self.notes, 1024);
    }
}

/// The WireServer doesn't answer at the address in use: waagent-net looks for it again.
///
/// Written by waagent-fetch; read by waagent-net's path unit alone, which starts it. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointProblem {
    /// The address that was asked.
    pub address: Ipv4Addr,
    /// When the first poll failed, RFC 3339.
    pub since: String,
    /// Polls that had failed when this was written.
    pub failures: u32,
}

impl Body for EndpointProblem {
    const NAME: &'static str = "endpoint-problem";
    const PATH: &'static str = "/var/lib/waagent/fetch/endpoint-problem.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("since", &mut self.since, 40);
    }
}

/// There is no transport certificate to ask for certificates with: waagent-certs makes one. Gone when there is one.
///
/// Written by waagent-fetch; read by waagent-certs' path unit alone, which starts it. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransportProblem {
    /// `there is none`, or what is wrong with its document.
    pub reason: String,
}

impl Body for TransportProblem {
    const NAME: &'static str = "transport-problem";
    const PATH: &'static str = "/var/lib/waagent/fetch/transport-problem.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("reason", &mut self.reason, 4096);
    }
}

/// A unit failed: `fetch/failed/<unit>.json`. It may have left no document of its own.
///
/// Written by `waagent-fetch failed`; read by waagent-fetch. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// `waagent-provision.service` ...
    pub unit: String,
    /// `$MONITOR_SERVICE_RESULT` of systemd.exec(5): `exit-code`, `timeout`, `signal` ...
    pub result: String,
    /// `$MONITOR_EXIT_CODE`: `exited`, `killed`, `dumped`.
    pub exit_code: String,
    /// `$MONITOR_EXIT_STATUS`: a number, or the name of a signal.
    pub exit_status: String,
}

impl Body for Failed {
    const NAME: &'static str = "failed";
    const PATH: &'static str = "/var/lib/waagent/fetch/failed";
    const PROGRAM: &'static str = "waagent-fetch failed";
    const WRITER: &'static str = "waagent-fetch";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("unit", &mut self.unit, 128);
        bounds.text("result", &mut self.result, 64);
        bounds.text("exit_code", &mut self.exit_code, 64);
        bounds.text("exit_status", &mut self.exit_status, 64);
    }
}
