//! The goal state without its URIs: extensions, their settings, and who this machine is.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::json::JsonText;
use crate::types::{ExtensionName, HandlerName, HandlerVersion, Sha256, Thumbprint};
use crate::words;

/// What the platform wants this machine to be: no URI, no shared access signature.
///
/// Written by waagent-fetch; read by waagent-ext.
/// Secrets: protected settings, sealed; public settings as customers wrote them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoalState {
    /// `incarnation_<n>` (Fabric) or `etag_<n>` (Fast Track): a new one is a new goal state.
    pub id: String,
    /// Where the extensions come from.
    pub source: GoalStateSource,
    /// When the platform made it, `YYYY-MM-DDTHH:MM:SS.ffffffZ`; year 1 where it didn't say.
    pub created_on: String,
    /// An older goal state than one that was seen; extensions aren't run from it.
    pub outdated: bool,
    /// Incarnation of the WireServer's goal state.
    pub incarnation: String,
    /// ETag of the vmSettings, in the Fast Track case.
    pub etag: Option<String>,
    /// Container id.
    pub container_id: String,
    /// Role instance id.
    pub instance_id: String,
    /// Role configuration name.
    pub config_name: String,
    /// Name of the VM in the hosting environment.
    pub vm_name: Option<String>,
    /// Thumbprint of the tenant's certificate, from the hosting environment.
    pub tenant_certificate: Option<Thumbprint>,
    /// SHA-256 of the bytes of `fetch/certificates.json` that belongs to it.
    pub certificates_sha256: Option<Sha256>,
    /// Features that an agent must have to act on it.
    pub required_features: Vec<String>,
    /// The artifacts profile says: don't process extensions now.
    pub on_hold: bool,
    /// Agent versions that the platform offers or asks for.
    pub agent_families: Vec<AgentFamily>,
    /// One for each handler.
    pub extensions: Vec<Extension>,
    /// For correlation in the platform's logs.
    pub activity_id: String,
    /// For correlation in the platform's logs.
    pub correlation_id: String,
    /// Reported back as `inSvdSeqNo`.
    pub svd_sequence_number: i64,
    /// This machine in the shared configuration.
    pub own_instance: Option<OwnInstance>,
}

words! {
    /// Where the extensions of a goal state come from.
    pub enum GoalStateSource {
        /// ExtensionsConfig of the WireServer.
        Fabric = "fabric",
        /// vmSettings of the HostGAPlugin.
        FastTrack = "fast-track",
    }
}

/// A family of agent versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentFamily {
    /// `Prod`, `Test`.
    pub name: String,
    /// The version that the platform asks for.
    pub version: Option<String>,
    /// Does the platform choose the version (and not "the newest")?
    pub is_version_from_rsm: Option<bool>,
    /// Is this VM enrolled in platform-chosen versions?
    pub is_vm_enabled_for_rsm_upgrades: Option<bool>,
}

/// This machine in the shared configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnInstance {
    /// Address that the platform gave.
    pub address: Option<String>,
    /// MAC and address pairs of InfiniBand devices.
    pub rdma: Vec<RdmaAddress>,
}

/// Address of an InfiniBand device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdmaAddress {
    /// Hardware address.
    pub mac: String,
    /// IPv4 address.
    pub ipv4: String,
}

/// A handler, with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// `Publisher.Type`.
    pub name: HandlerName,
    /// The version that the goal state asks for.
    pub version: HandlerVersion,
    /// What is wanted of it; a word that we don't know is that extension's error.
    pub state: RequestedState,
    /// Detached CMS signature over the package, base64.
    pub encoded_signature: Option<String>,
    /// Do the settings name several instances?
    pub multi_config: bool,
    /// Why only this extension fails: a text for its status.
    pub error: Option<String>,
    /// None, one (single configuration) or several.
    pub settings: Vec<ExtensionSettings>,
}

words! {
    /// What a goal state can want of a handler or an instance.
    pub enum TargetState {
        /// Installed, in this version, and enabled.
        Enabled = "enabled",
        /// Kept, but disabled.
        Disabled = "disabled",
        /// Gone.
        Uninstall = "uninstall",
    }
}

/// What a goal state wants of a handler or an instance, as the platform spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestedState(String);

impl RequestedState {
    /// What that is, in any case; none for a word that we don't know.
    pub fn target_state(&self) -> Option<TargetState> {
        self.0.to_ascii_lowercase().parse().ok()
    }

    /// The platform's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RequestedState {
    fn from(word: &str) -> Self {
        Self(word.to_owned())
    }
}

impl From<TargetState> for RequestedState {
    fn from(target_state: TargetState) -> Self {
        target_state.as_wire().into()
    }
}

/// Settings of a handler or of one of its instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionSettings {
    /// Instance, in multi-configuration handlers.
    pub name: Option<ExtensionName>,
    /// Sequence number.
    pub sequence_number: u32,
    /// What is wanted of it: enabled or disabled.
    pub state: RequestedState,
    /// Order among the extensions: lower first, 0 without.
    pub dependency_level: i32,
    /// What it depends on, for people.
    pub depends_on: Vec<DependsOn>,
    /// Public settings, the JSON as received; absent is `null`.
    pub public_settings: Option<JsonText>,
    /// CMS EnvelopedData in base64, as received.
    pub protected_settings: Option<String>,
    /// Thumbprint of the certificate that opens it, as received.
    pub protected_settings_thumbprint: Option<String>,
    /// The settings' text wasn't JSON: the extension gets three nulls.
    pub unreadable: bool,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DependsOn {
    /// Handler.
    pub handler: String,
    /// Instance.
    pub extension: Option<String>,
}

impl Body for GoalState {
    const NAME: &'static str = "goal-state";
    const MAJOR: u32 = 2;
    const PATH: &'static str = "/var/lib/waagent/fetch/goal-state.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";
    const MAX_BYTES: u64 = 12 << 20;

    fn bounds(&mut self, bounds: &mut Bounds) {
        for (field, text) in [
            ("id", &self.id),
            ("created_on", &self.created_on),
            ("incarnation", &self.incarnation),
            ("container_id", &self.container_id),
            ("instance_id", &self.instance_id),
            ("config_name", &self.config_name),
            ("activity_id", &self.activity_id),
            ("correlation_id", &self.correlation_id),
        ] {
            bounds.whole(field, text.len(), 256);
        }
        bounds.texts("vm_name", &mut self.vm_name, 256);
        bounds.whole("required_features", self.required_features.len(), 64);
        bounds.texts("required_features[]", &mut self.required_features, 256);
        bounds.list("agent_families", &mut self.agent_families, 64);
        bounds.whole("extensions", self.extensions.len(), 256);
        for extension in &mut self.extensions {
            extension.bounds(bounds);
        }
    }
}

impl Extension {
    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("extensions[].state", &mut self.state.0, 64);
        bounds.texts("extensions[].error", &mut self.error, 4096);
        bounds.whole("extensions[].settings", self.settings.len(), 64);
        for settings in &mut self.settings {
            bounds.text("settings[].state", &mut settings.state.0, 64);
            bounds.list("settings[].depends_on", &mut settings.depends_on, 256);
            let public = settings.public_settings.as_ref().map_or(0, |text| text.as_str().len());
            bounds.whole("settings[].public_settings", public, 4 << 20);
            let sealed = settings.protected_settings.as_ref().map_or(0, String::len);
            bounds.whole("settings[].protected_settings", sealed, 4 << 20);
            let thumbprint = settings.protected_settings_thumbprint.as_ref().map_or(0, String::len);
            bounds.whole("settings[].protected_settings_thumbprint", thumbprint, 128);
        }
    }
}
