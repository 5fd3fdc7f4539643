//! The two runs: before the network is up, and after.

use std::net::Ipv4Addr;

use anyhow::Result;

use waagent_common::config::{Config, SwitchKey};
use waagent_common::documents::{self, Document, Endpoint, Firewall, Inputs, Written};
use waagent_common::fault::Outcome;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::{log, program};

use crate::endpoint::{self, Finding};
use crate::{compat_files, firewall};

/// What a run has at hand.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Where files are.
    pub root: &'a Root,
    /// What is configured.
    pub config: &'a Config,
    /// What confines us.
    pub sandbox: &'a Sandbox,
}

impl Run<'_> {
    /// Before the network is up: the firewall for the last known address.
    pub fn firewall(&self) -> Result<Outcome> {
        let (address, document) = endpoint::known(self.root, self.config);
        let (changed, said) = self.protect(address, document.as_ref())?;
        Ok(outcome(changed, said))
    }

    /// The endpoint, then the firewall for it.
    pub fn network(&self) -> Result<Outcome> {
        let mut changed = false;
        let read = || Ok(endpoint::find(self.root, self.config));
        let said = program::until_unmoved("what leases and routes say", read, |finding| {
            changed |= self.write_down(finding)?;
            let document = Document::<Endpoint>::read(self.root)?;
            let (protected, said) = self.protect(document.body.address, Some(&document))?;
            changed |= protected;
            Ok(format!("{}; {said}", described(&document.body)))
        })?;
        Ok(outcome(changed, said))
    }

    fn write_down(&self, finding: &Finding) -> Result<bool> {
        if let Some(refused) = &finding.refused {
            log::warning(refused);
        }
        let document = documents::write(self.root, &finding.body, &finding.inputs, self.sandbox)?;
        let files = compat_files::write(self.root, &finding.body)?;
        Ok((document, files) != (Written::Unchanged, Written::Unchanged))
    }

    /// Sets the firewall and writes down how it stands, also where it failed.
    fn protect(&self, address: Ipv4Addr, endpoint: Option<&Document<Endpoint>>) -> Result<(bool, String)> {
        let enforced = firewall::enforce(address, self.config.switch(SwitchKey::OsEnableFirewall));
        let inputs =
            Inputs::new().optional(endpoint).digest("configuration", &self.config.digest_for("waagent-net"));
        let written = documents::write::<Firewall>(self.root, &enforced.body, &inputs, self.sandbox)?;
        let said = enforced.said();
        match enforced.fault {
            Some(fault) => Err(fault.into()),
            None => Ok((enforced.changed || written == Written::Changed, said)),
        }
    }
}

fn outcome(changed: bool, said: String) -> Outcome {
    if changed { Outcome::Done(said) } else { Outcome::Unchanged(said) }
}

fn described(endpoint: &Endpoint) -> String {
    let source = endpoint.source;
    match &endpoint.interface {
        Some(interface) => format!("WireServer is {} ({source} of {interface})", endpoint.address),
        None => format!("WireServer is {} ({source})", endpoint.address),
    }
}
