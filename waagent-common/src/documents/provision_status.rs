use serde::{Deserialize, Serialize};

use super::{Body, bound};

/// How far provisioning is.
///
/// Written by waagent-provision at the end of each pass; read by waagent-fetch, which tells the platform, and by
/// waagent-ext, waagent-net, waagent-media and waagent-deprovision. Secrets: none.
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
    /// Who provisions: `waagent`, `cloud-init`, `disabled`.
    pub agent: String,
    /// Identity that the marker `provisioned` records.
    pub instance_id: String,
    /// Short reason, where it failed.
    pub reason: Option<String>,
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

/// What the platform is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProvisionState {
    /// NotReady, substatus Provisioning.
    Provisioning,
    /// Ready, once per VM id.
    Ready,
    /// NotReady, substatus ProvisioningFailed.
    Failed,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProvisionOutcome {
    /// A pass is at work.
    Running,
    /// A later pass goes on.
    Waiting,
    /// Provisioned now.
    Done,
    /// Was provisioned before.
    Already,
    /// The configuration says not to.
    Disabled,
    /// It failed for this boot.
    Failed,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepError {
    /// Step.
    pub step: String,
    /// Short, stable reason.
    pub reason: String,
    /// Sentence for people.
    pub text: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Step.
    pub name: String,
    /// `done`, `unchanged`, `skipped`, `waiting`, `failed`.
    pub state: String,
    /// Duration in milliseconds.
    pub ms: u64,
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

    fn check(&self) -> Result<(), String> {
        bound("description", self.description.len(), 4096)?;
        bound("vm_id", self.vm_id.len(), 64)?;
        bound("errors", self.errors.len(), 64)?;
        bound("steps", self.steps.len(), 64)?;
        bound("warnings", self.warnings.len(), 256)?;
        bound("waits_for", self.waits_for.len(), 128)
    }
}
