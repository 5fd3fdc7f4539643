//! Arguments.

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use clap::Parser;
use waagent_common::args::Common;
use waagent_common::fault::{Exit, Fault};

/// Reads the provisioning DVD
///
/// Finds the DVD that the platform attached, reads ovf-env.xml from it without mounting it, and leaves a copy in
/// /run/waagent/media for waagent-provision. After provisioning it removes the copy and opens the tray.
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// What every program understands.
    #[command(flatten)]
    pub common: Common,
    /// Read this device or image instead of looking for one
    #[arg(long, value_name = "PATH")]
    pub device: Option<PathBuf>,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// A device or image that a person named.
#[derive(Debug)]
pub struct Named {
    /// Its path, for messages.
    pub path: PathBuf,
    /// It, open for reading.
    pub file: File,
}

impl Args {
    /// Opens what a person named, wherever it is: the sandbox, which comes next, knows no such paths. Nothing is read.
    pub fn open(&self) -> Result<Option<Named>, Fault> {
        let Some(path) = &self.device else { return Ok(None) };
        let refuse = |exit, why: String| Fault::new(exit, format!("cannot open '{}': {why}", path.display()));
        let meta = std::fs::metadata(path).map_err(|e| refuse(Exit::NoInput, e.to_string()))?;
        if !meta.file_type().is_block_device() && !meta.is_file() {
            return Err(refuse(Exit::Usage, "it is neither a block device nor an image file".to_owned()));
        }
        let file = File::open(path).map_err(|e| refuse(Exit::NoInput, e.to_string()))?;
        Ok(Some(Named { path: path.clone(), file }))
    }
}
