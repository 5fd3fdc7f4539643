//! Command line.

use clap::{Parser, ValueEnum};

use waagent_common::args::Common;

/// Finds the platform's server, and lets nobody but root open connections to it
///
/// Without a step: finds the WireServer's address, writes it down, and sets the firewall for it.
#[derive(Debug, Clone, Parser)]
#[command(name = "waagent-net", version)]
pub struct Args {
    /// One step alone
    #[arg(value_enum)]
    pub step: Option<Step>,
    /// Print what would change, and change nothing
    #[arg(long)]
    pub plan: bool,
    /// What every program understands.
    #[command(flatten)]
    pub common: Common,
}

/// A step that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Set the firewall for the last known address, before the network comes up
    Firewall,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
