//! Who provisions this machine, and whether anything is left to do.

use waagent_common::cloud_init::CloudInit;
use waagent_common::config::{ChosenAgent, Config};
use waagent_common::documents::StepError;
use waagent_common::instance::InstanceId;
use waagent_common::marker::Marker;
use waagent_common::root::Root;

use crate::reason::{self, Reason};

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
    pub fn make(config: &Config, root: &Root, id: &InstanceId, force: bool) -> Self {
        let agent = config.chosen_agent();
        if agent == ChosenAgent::Disabled {
            return Self::Disabled;
        }
        let marker = Marker::read(root, id);
        match &marker {
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
        match (agent, CloudInit::on(root)) {
            (ChosenAgent::CloudInit, _) | (ChosenAgent::Auto, CloudInit::Enabled)
                if marker == Marker::Same =>
            {
                Self::Refuse(reason::error(
                    "decide",
                    Reason::CloudInitEnabled,
                    "--force: cloud-init provisions this machine, so nothing of it is ours to look at; run 'cloud-init \
                     status --long'",
                ))
            }
            (ChosenAgent::CloudInit, _) | (ChosenAgent::Auto, CloudInit::Enabled) => Self::CloudInit,
            (ChosenAgent::Waagent, CloudInit::Enabled) => Self::Refuse(reason::error(
                "decide",
                Reason::CloudInitEnabled,
                "Provisioning.Agent=waagent, but cloud-init is enabled; run 'touch /etc/cloud/cloud-init.disabled', \
                 or set Provisioning.Agent=auto",
            )),
            _ => Self::Provision,
        }
    }
}
