//! The outcome of provisioning, for the platform and the other programs.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds, ProvisionReason};
use crate::words;

/// How far provisioning is.
///
/// Written by waagent-provision at the end of each pass; read by waagent-fetch, which tells the platform, and by
/// waagent-ext and waagent-media. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionStatus {
    /// What the platform is told.
    pub state: ProvisionState,
    /// Text for the platform where it failed.
    pub description: String,
    /// VM id as the platform knows it (lower case; the firmware's UUID, its first groups swapped on generation 1);
    /// empty where the machine has none.
    pub vm_id: String,
    /// Fingerprint of the SSH host key, for the role properties.
    pub ssh_host_key_fingerprint: Option<String>,
    /// What the pass came to.
    pub outcome: ProvisionOutcome,
    /// Who provisions.
    pub agent: ProvisioningAgent,
    /// Identity that the marker `provisioned` records.
    pub instance_id: String,
    /// Short reason, where it failed.
    pub reason: Option<ProvisionReason>,
    /// What went wrong, step by step.
    pub errors: Vec<StepError>,
    /// The steps of the pass, in order.
    pub steps: Vec<Step>,
    /// Public host keys: type and fingerprint.
    pub host_keys: Vec<HostKey>,
    /// Host name that was set.
    pub hostname: Option<String>,
    /// User that was made or found.
    pub user: Option<ProvisionedUser>,
    /// What was got over.
    pub warnings: Vec<String>,
    /// What a later pass waits for, e.g. `certificate <thumbprint>`.
    pub waits_for: Vec<String>,
    /// Uptime at the end of the pass, in seconds.
    pub uptime_s: u64,
}

words! {
    /// What the platform is told.
    pub enum ProvisionState {
        /// NotReady, substatus Provisioning.
        Provisioning = "provisioning",
        /// Ready, once per VM id.
        Ready = "ready",
        /// NotReady, substatus ProvisioningFailed.
        Failed = "failed",
    }
}

words! {
    /// What a pass came to.
    pub enum ProvisionOutcome {
        /// A pass is at work.
        Running = "running",
        /// A later pass goes on.
        Waiting = "waiting",
        /// Provisioned now.
        Done = "done",
        /// Was provisioned before.
        Already = "already",
        /// The configuration says not to.
        Disabled = "disabled",
        /// It failed for this boot.
        Failed = "failed",
    }
}

words! {
    /// Who provisions.
    pub enum ProvisioningAgent {
        /// We do.
        Waagent = "waagent",
        /// cloud-init does.
        CloudInit = "cloud-init",
        /// Nobody: the configuration says so.
        Disabled = "disabled",
    }
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepError {
    /// Step.
    pub step: String,
    /// Short, stable reason.
    pub reason: ProvisionReason,
    /// Sentence for people.
    pub text: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Step.
    pub name: String,
    /// What it came to.
    pub state: StepState,
    /// Duration in milliseconds.
    pub ms: u64,
}

words! {
    /// What a step came to.
    pub enum StepState {
        /// Something was changed.
        Done = "done",
        /// It was so already.
        Unchanged = "unchanged",
        /// Not needed, or not possible without harm.
        Skipped = "skipped",
        /// Left out, since a step that it needs failed.
        HeldUp = "held-up",
        /// A later pass goes on.
        Waiting = "waiting",
        /// It failed.
        Failed = "failed",
    }
}

/// A public host key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostKey {
    /// `rsa`, `ed25519` ...
    pub key_type: String,
    /// `SHA256:...` as ssh-keygen prints it.
    pub fingerprint: String,
}

/// The user of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvisionedUser {
    /// Name.
    pub name: String,
    /// Number.
    pub uid: u32,
    /// Did we make it?
    pub created: bool,
}

impl Body for ProvisionStatus {
    const NAME: &'static str = "provision-status";
    const PATH: &'static str = "/var/lib/waagent/provision/status.json";
    const PROGRAM: &'static str = "waagent-provision";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 256 << 10;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("description", &mut self.description, 4096);
        bounds.text("vm_id", &mut self.vm_id, 64);
        bounds.texts("ssh_host_key_fingerprint", &mut self.ssh_host_key_fingerprint, 256);
        bounds.text("instance_id", &mut self.instance_id, 256);
        bounds.texts("hostname", &mut self.hostname, 256);
        bounds.list("errors", &mut self.errors, 64);
        for error in &mut self.errors {
            bounds.text("errors[].step", &mut error.step, 64);
            bounds.text("errors[].text", &mut error.text, 4096);
        }
        bounds.list("steps", &mut self.steps, 64);
        for step in &mut self.steps {
            bounds.text("steps[].name", &mut step.name, 64);
        }
        bounds.list("host_keys", &mut self.host_keys, 16);
        for key in &mut self.host_keys {
            bounds.text("host_keys[].key_type", &mut key.key_type, 64);
            bounds.text("host_keys[].fingerprint", &mut key.fingerprint, 256);
        }
        bounds.list("warnings", &mut self.warnings, 256);
        bounds.texts("warnings[]", &mut self.warnings, 1024);
        bounds.list("waits_for", &mut self.waits_for, 128);
        bounds.texts("waits_for[]", &mut self.waits_for, 256);
    }
}
