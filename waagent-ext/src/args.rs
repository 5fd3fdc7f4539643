//! Arguments of `waagent-ext`.

use clap::Parser;
use waagent_common::args::Common;

/// Decide what each VM extension needs next, unpack packages, and gather their status.
///
/// Stays and wakes when documents or an extension's status change. Commands of extensions are run by waagent-ext-run.
#[derive(Debug, Parser)]
#[command(name = "waagent-ext", version)]
pub struct Args {
    /// Options of every program
    #[command(flatten)]
    pub common: Common,
    /// Do what can be done now, and exit
    #[arg(long)]
    pub once: bool,
    /// Work on the goal state once more, though it was finished
    #[arg(long)]
    pub force: bool,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
