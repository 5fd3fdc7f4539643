//! Steps of provisioning, written around each of them.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::words;

/// How far the steps of provisioning are; a killed pass goes on by it.
///
/// Written by waagent-provision before and after each step; read by it alone. Secrets: none, not even hashes of any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionJournal {
    /// Identity of the VM, as the marker `provisioned` records it.
    pub instance_id: String,
    /// SHA-256 of the `ovf-env.xml` that the plan was made from.
    pub ovf_sha256: String,
    /// SHA-256 of what the plan does, without secrets.
    pub plan_sha256: String,
    /// Kernel's identity of this boot.
    pub boot_id: String,
    /// The user that was missing before the pass, so that it is ours to finish.
    pub created_user: Option<String>,
    /// The medium gave a password.
    pub password_given: bool,
    /// Uptime when a step of this boot first had to wait, in seconds.
    pub waiting_since_s: Option<u64>,
    /// The steps in order.
    pub steps: Vec<JournalStep>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalStep {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: JournalState,
    /// What it came to, for people.
    pub detail: String,
}

words! {
    /// State of a step.
    pub enum JournalState {
        /// At work, or killed at it.
        Started = "started",
        /// Finished; verified, not repeated.
        Done = "done",
        /// Not needed, or not possible without harm.
        Skipped = "skipped",
        /// A later pass goes on.
        Waiting = "waiting",
        /// Failed; the next pass tries again.
        Failed = "failed",
    }
}

impl Body for ProvisionJournal {
    const NAME: &'static str = "provision-journal";
    const PATH: &'static str = "/var/lib/waagent/provision/journal.json";
    const PROGRAM: &'static str = "waagent-provision";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 256 << 10;
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("instance_id", &mut self.instance_id, 256);
        bounds.list("steps", &mut self.steps, 64);
        for step in &mut self.steps {
            bounds.text("steps[].name", &mut step.name, 64);
            bounds.text("steps[].detail", &mut step.detail, 4096);
        }
    }
}
