//! The health report and the role properties as the platform was told them.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::words;

/// What the platform was told about this machine's provisioning, and what it answered.
///
/// Written by waagent-fetch; read by people. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What it was told.
    pub state: HealthState,
    /// Text that went with it.
    pub description: String,
    /// The VM that it was said about.
    pub vm_id: String,
    /// When the platform took it, or when it was tried first.
    pub at: String,
    /// Status of the platform's answer; absent where there was none.
    pub http_status: Option<u16>,
    /// Why the platform doesn't know it yet; it is sent again.
    pub unsent: Option<String>,
    /// Fingerprint of the host key that the platform was told, and what it answered.
    pub role_properties: Option<RoleProperties>,
}

words! {
    /// The platform's words for how far provisioning is.
    pub enum HealthState {
        /// At work.
        Provisioning = "Provisioning",
        /// Done.
        Ready = "Ready",
        /// Failed.
        Failed = "ProvisioningFailed",
    }
}

/// The host key as the platform was told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleProperties {
    /// Value that was sent.
    pub fingerprint: String,
    /// `accepted`, or why not.
    pub result: String,
}

impl Body for Health {
    const NAME: &'static str = "health";
    const PATH: &'static str = "/var/lib/waagent/fetch/health.json";
    const PROGRAM: &'static str = "waagent-fetch";
    const WRITER: &'static str = "waagent-fetch";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.text("description", &mut self.description, 4096);
        bounds.text("vm_id", &mut self.vm_id, 64);
        bounds.text("at", &mut self.at, 40);
        bounds.texts("unsent", &mut self.unsent, 1024);
        if let Some(told) = &mut self.role_properties {
            bounds.text("role_properties.fingerprint", &mut told.fingerprint, 256);
            bounds.text("role_properties.result", &mut told.result, 1024);
        }
    }
}
