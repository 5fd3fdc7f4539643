//! Command line.

use clap::Parser;

use waagent_common::args::Common;

/// Connects to the platform's WireServer, HostGAPlugin and IMDS for waagent-fetch, and passes it the sockets
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
