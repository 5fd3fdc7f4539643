//! Arguments.

use clap::Parser;
use waagent_common::args::Common;

/// Provisions the operating system: host name, user, SSH keys, sudo, password, custom data
///
/// Each pass does what it can; what needs a certificate from the network is left to a later one.
#[derive(Debug, Clone, Parser)]
#[command(name = "waagent-provision", version)]
pub struct Args {
    /// What every program understands.
    #[command(flatten)]
    pub common: Common,
    /// Print what would be changed, and change nothing
    #[arg(long)]
    pub plan: bool,
    /// Look at all steps again, also where this instance is provisioned; host keys and custom data stay
    ///
    /// An attached medium is read again. Where something that it needs is gone, nothing is changed, and the platform hears
    /// of no failure.
    #[arg(long)]
    pub force: bool,
    /// Set the host name alone, which the network's first request tells, and leave the rest to the late pass
    #[arg(long, conflicts_with_all = ["plan", "force"])]
    pub early: bool,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
