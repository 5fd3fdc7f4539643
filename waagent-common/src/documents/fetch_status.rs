use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};

/// How the fetcher gets on with the platform. Written when that changes, not at each round.
///
/// Written by waagent-fetch; read by people. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchStatus {
    /// `goal state 5, fast track`, `waiting for the WireServer` ...
    pub state: String,
    /// The WireServer's address.
    pub endpoint: Ipv4Addr,
    /// The goal state that was published last.
    pub goal_state_id: Option<String>,
    /// Does the host offer Fast Track? Unknown before the first answer.
    pub fast_track: Option<bool>,
    /// Why the last round failed, if it did.
    pub error: Option<String>,
    /// What the last goal state had that was got over.
    pub notes: Vec<String>,
}

impl Body for FetchStatus {
    const NAME: &'static str = "fetch-status";
    const PATH: &'static str = "/var/lib/waagent/fetch/status.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";
    const MAX_BYTES: u64 = 1 << 20;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("state", &mut self.state, 512);
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
    /// When the first round failed, RFC 3339.
    pub since: String,
    /// Rounds that had failed when this was written.
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
