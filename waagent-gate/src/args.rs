//! Command line.

use clap::Parser;

use waagent_common::args::Common;

/// Reads each request that waagent-fetch makes of the platform, and lets pass what its table names
///
/// Started by waagent-gate.service with its listening socket as descriptor 3 (LISTEN_FDS=1).
#[derive(Debug, Clone, Parser)]
#[command(name = "waagent-gate", version)]
pub struct Args {
    /// What every program understands.
    #[command(flatten)]
    pub common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
