//! Which agent provisions, by the configuration.

use super::{Config, TextKey};
use crate::words;

words! {
    /// Who is to provision: `Provisioning.Agent`.
    pub enum ChosenAgent {
        /// cloud-init where it will run, else we.
        Auto = "auto",
        /// We, even where cloud-init would.
        Waagent = "waagent",
        /// cloud-init.
        CloudInit = "cloud-init",
        /// Nobody.
        Disabled = "disabled",
    }
}

impl Config {
    /// Who is to provision; another word is taken for disabled.
    pub fn chosen_agent(&self) -> ChosenAgent {
        self.text(TextKey::ProvisioningAgent).parse().unwrap_or(ChosenAgent::Disabled)
    }
}
