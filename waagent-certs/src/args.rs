//! The command line.

use clap::Parser;
use waagent_common::args::Common;

/// Make the transport key pair and unseal the certificates that the platform sent
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// What every program understands
    #[command(flatten)]
    pub common: Common,
    /// Print what would be done and change nothing
    #[arg(long)]
    pub plan: bool,
    /// Unseal again, even if nothing has changed
    #[arg(long)]
    pub force: bool,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
