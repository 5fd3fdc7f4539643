//! What a whole run works with, and how it ends.

use anyhow::Result;
use waagent_common::config::{Config, SwitchKey};
use waagent_common::documents::{ProvisionStatus, StepError};
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::instance::InstanceId;
use waagent_common::marker::Marker;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::args::Args;
use crate::status::{self, Sources};
use crate::{console, ovf_file};

/// What a whole run works with.
#[derive(Debug)]
pub struct Run<'a> {
    /// The arguments.
    pub args: &'a Args,
    /// The sandbox in force.
    pub sandbox: &'a Sandbox,
    /// The configuration.
    pub config: &'a Config,
    /// The tree that is provisioned.
    pub root: &'a Root,
    /// Which VM this is.
    pub id: InstanceId,
    /// The documents that it began with.
    pub sources: &'a mut Sources,
}

/// May a later pass of this boot come right, where this one didn't?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: the platform is told.
    None,
    /// Yes: it follows by itself.
    LatePass,
}

impl Run<'_> {
    /// Is this VM provisioned?
    pub(crate) fn is_marked(&self) -> bool {
        Marker::read(self.root, &self.id) == Marker::Same
    }

    /// Only where PID 1 may start waagent-media, and never to say what would be done.
    pub(crate) fn is_to_look_again(&self, is_forced: bool) -> bool {
        self.root.is_live()
            && !self.args.plan
            && ovf_file::is_worth_a_look(self.sources.media.as_ref(), is_forced)
    }

    /// Says why it failed. The platform hears it where no later pass can help, and never of a VM that is provisioned:
    /// what `--force` came to is for who asked for it.
    pub fn fail(
        &self,
        mut status: ProvisionStatus,
        errors: Vec<StepError>,
        exit: Exit,
        retry: Retry,
    ) -> Result<Outcome> {
        let texts: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", error.reason, error.text)).collect();
        let text = format!("provisioning failed: {}", texts.join("; "));
        if !self.args.plan && !self.is_marked() {
            match retry {
                Retry::None => status::failed(&mut status, errors),
                Retry::LatePass => status::held_up(&mut status, errors),
            }
            status::write(self.root, status, &self.sources.inputs, self.sandbox)?;
        }
        Err(Fault::new(exit, text).into())
    }

    /// Tells that it is done, then asks for the medium's copy to be removed.
    pub(crate) fn end(&self, status: ProvisionStatus) -> Result<bool> {
        let written = status::write(self.root, status, &self.sources.inputs, self.sandbox)?;
        ovf_file::release(self.root)?;
        if self.config.switch(SwitchKey::LogsConsole) {
            console::info(
                "End of log to /dev/console. The agent will now check for updates and then will process extensions.",
            );
        }
        Ok(written)
    }
}
