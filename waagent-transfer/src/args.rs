//! Command line.

use clap::Parser;

use waagent_common::args::Common;

/// Moves blobs between storage and waagent-fetch, one order for each connection
///
/// Started by waagent-transfer.socket with its listening socket as descriptor 3 (LISTEN_FDS=1); ends when idle.
#[derive(Debug, Clone, Parser)]
#[command(name = "waagent-transfer", version)]
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
