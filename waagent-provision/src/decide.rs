//! Who provisions this machine, and whether anything is left to do.

use waagent_common::config::{Config, TextKey};
use waagent_common::documents::StepError;
use waagent_common::place::Place;

use crate::cloud_init::{self, CloudInit};
use crate::identity::InstanceId;
use crate::marker::{self, Marker};
use crate::reason;

/// What this pass is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The configuration says that nobody does.
    Disabled,
    /// Provisioned, as this VM.
    Already,
    /// Provisioned by somebody else or as another VM: the identity is noted, users and host keys stay.
    Adopt(String),
    /// cloud-init does it; this program waits for it and notes the result.
    CloudInit,
    /// This program does it.
    Provision,
    /// Two would do it at once.
    Refuse(StepError),
}

impl Decision {
    /// Looks at configuration, marker and cloud-init, in this order. `force`: as if the marker weren't this VM's.
    pub fn make(config: &Config, place: &Place, id: &InstanceId, force: bool) -> Self {
        let agent = config.text(TextKey::ProvisioningAgent);
        if !["auto", "waagent", "cloud-init"].contains(&agent) {
            return Self::Disabled;
        }
        match marker::read(place, id) {
            Marker::Same if !force => return Self::Already,
            Marker::Empty => return Self::Adopt("the marker 'provisioned' names no VM".to_owned()),
            Marker::Other(_) => {
                return Self::Adopt(
                    "the disk was provisioned as another VM, and not deprovisioned".to_owned(),
                );
            }
            Marker::Bad(why) => return Self::Adopt(format!("the marker 'provisioned' is damaged: {why}")),
            Marker::Same | Marker::Absent => {}
        }
        match (agent, cloud_init::state(place)) {
            ("cloud-init", _) | ("auto", CloudInit::Enabled) => Self::CloudInit,
            ("waagent", CloudInit::Enabled) => Self::Refuse(reason::error(
                "decide",
                reason::CLOUD_INIT_ENABLED,
                "Provisioning.Agent=waagent, but cloud-init is enabled; run 'touch /etc/cloud/cloud-init.disabled', \
                 or set Provisioning.Agent=auto",
            )),
            _ => Self::Provision,
        }
    }
}
