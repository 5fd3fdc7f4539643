//! The arguments of waagent-fetch.

use clap::{Parser, Subcommand};
use waagent_common::args::Common;

/// Fetches what the platform wants of this machine, and tells it how the machine is
#[derive(Debug, Parser)]
#[command(name = "waagent-fetch", version = waagent_common::AGENT_VERSION)]
pub struct Args {
    /// What every program takes
    #[command(flatten)]
    pub common: Common,
    /// Do one whole round, and exit
    #[arg(long)]
    pub once: bool,
    /// Something else than fetching
    #[command(subcommand)]
    pub act: Option<Act>,
}

/// Acts besides fetching.
#[derive(Debug, Subcommand)]
pub enum Act {
    /// Leave a note that a unit failed, so that the platform hears of it (started by OnFailure=)
    Failed {
        /// The unit, e.g. waagent-provision.service
        unit: String,
    },
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
