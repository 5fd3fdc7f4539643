//! Arguments.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command as Process;

use clap::{Parser, Subcommand};
use waagent_common::args::Common;
use waagent_common::fault::{Exit, Fault};

/// Looks after the disks that the platform attaches for the agent
#[derive(Debug, Clone, Parser)]
pub struct Args {
    /// What every program understands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Prepare the temporary disk: find it, format it if it holds nothing, have it mounted, make swap on it
    Resource(Resource),
    /// Read the provisioning DVD: the same as waagent-media
    #[command(disable_help_flag = true)]
    Media {
        /// Arguments of waagent-media
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Arguments of `waagent-disk resource`.
#[derive(Debug, Clone, clap::Args)]
pub struct Resource {
    /// Use this disk instead of looking for the platform's
    #[arg(long, value_name = "PATH")]
    pub device: Option<PathBuf>,
    /// PID 1 has mounted the disk: label it, write the warning file, make swap
    #[arg(long)]
    pub mounted: bool,
    /// Say what would be done, and why; change nothing
    #[arg(long, conflicts_with = "mounted", visible_alias = "check")]
    pub plan: bool,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Args {
    /// The job that this binary does itself; `media` becomes another program here and doesn't come back.
    pub fn resource(&self) -> Result<&Resource, Fault> {
        match &self.command {
            Some(Command::Resource(resource)) => Ok(resource),
            Some(Command::Media { arguments }) => Err(become_media(arguments)),
            None => Err(Fault::new(Exit::Usage, "a command is missing: resource or media; see --help")),
        }
    }
}

/// One binary, one SELinux domain: the DVD's parser is a program of its own, beside this one.
fn become_media(arguments: &[OsString]) -> Fault {
    let failed =
        |error: std::io::Error| Fault::new(Exit::Os, format!("cannot execute 'waagent-media': {error}"));
    match std::env::current_exe() {
        Ok(own) => failed(Process::new(own.with_file_name("waagent-media")).args(arguments).exec()),
        Err(error) => failed(error),
    }
}

impl Resource {
    /// Opens the disk that a person named, wherever its node is. Nothing is read from it.
    pub fn open(&self) -> Result<Option<(PathBuf, File)>, Fault> {
        let Some(path) = &self.device else { return Ok(None) };
        let file = File::open(path).map_err(|error| {
            Fault::new(Exit::NoInput, format!("cannot open '{}': {error}", path.display()))
        })?;
        Ok(Some((path.clone(), file)))
    }
}
