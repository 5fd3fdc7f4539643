//! Arguments that every program understands.

use std::path::PathBuf;

use crate::root::Root;

/// Flattened into each program's own arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Print what this program may do (its declared policy) as JSON, and exit
    #[arg(long, global = true)]
    pub policy: bool,
    /// Read this configuration file instead of /etc/waagent.conf
    #[arg(long, global = true, value_name = "FILE")]
    pub configuration_path: Option<PathBuf>,
    /// Work below this folder instead of / (a scratch copy, for images and tests)
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
}

impl Common {
    /// The tree that the program works in.
    pub fn root(&self) -> Root {
        Root::new(&self.root)
    }
}
