//! What waagent-ext hands to waagent-ext-run, and gets back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::fault::Fault;
use crate::text::shown;
use crate::types::{ExtensionName, HandlerName, HandlerVersion};
use crate::words;

/// One command of a handler: `ext/commands/<id>.json`.
///
/// Written by waagent-ext; read by waagent-ext-run, which runs it. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The file's name; never used twice.
    pub id: String,
    /// What it is for.
    pub kind: CommandKind,
    /// Handler and version, but for custom data.
    pub handler: Option<HandlerRef>,
    /// Instance, in multi-configuration handlers.
    pub extension: Option<ExtensionName>,
    /// Handed to `/bin/sh -c` as it is; for `remove` the folder to delete.
    pub command: String,
    /// The whole environment: nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub directory: String,
    /// Time limit in seconds.
    pub timeout_s: u32,
    /// systemd slice of the handler, where systemd runs.
    pub slice: Option<String>,
    /// The boot that it was written in: another boot doesn't run it.
    pub boot_id: String,
}

/// A handler in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandlerRef {
    /// Handler.
    pub name: HandlerName,
    /// Version.
    pub version: HandlerVersion,
}

words! {
    /// What a command is for.
    pub enum CommandKind {
        /// Handler's install command.
        Install = "install",
        /// Handler's enable command.
        Enable = "enable",
        /// Handler's disable command.
        Disable = "disable",
        /// Handler's update command.
        Update = "update",
        /// Handler's uninstall command.
        Uninstall = "uninstall",
        /// Delete what a handler left and the planner has no right to delete.
        Remove = "remove",
        /// Resource limits of a handler's services.
        Services = "services",
        /// The deployment's custom data.
        CustomData = "custom-data",
    }
}

impl Body for Command {
    const NAME: &'static str = "command";
    const PATH: &'static str = "/var/lib/waagent/ext/commands";
    const PROGRAM: &'static str = "waagent-ext";
    const WRITER: &'static str = "root";
    const MAX_BYTES: u64 = 256 << 10;
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.whole("command", self.command.len(), 64 << 10);
        bounds.whole("directory", self.directory.len(), 4096);
        bounds.whole("environment", self.environment.len(), 64);
        bounds.whole("slice", self.slice.as_ref().map_or(0, String::len), 256);
    }

    fn check(&self) -> Result<(), Fault> {
        check_id(&self.id)?;
        if self.timeout_s > 24 * 3600 {
            return Err(Fault::data(format!("body.timeout_s: {}, more than a day", self.timeout_s)));
        }
        Ok(())
    }
}

/// What became of a command: `ext/results/<id>.result.json`; its output beside it as `.out` and `.err`.
///
/// Written by waagent-ext-run, which is unconfined: readers take it as hostile. Secrets: output may hold some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandResult {
    /// The command.
    pub id: String,
    /// How far it is.
    pub state: CommandState,
    /// Exit status of the shell.
    pub exit_code: Option<i32>,
    /// Signal that ended the shell.
    pub signal: Option<i32>,
    /// Why it couldn't be started, or was interrupted.
    pub error: Option<String>,
    /// RFC 3339.
    pub started_at: Option<String>,
    /// RFC 3339.
    pub ended_at: Option<String>,
    /// Bytes that it wrote to standard output, also those that were cut.
    pub stdout_bytes: u64,
    /// Bytes that it wrote to standard error.
    pub stderr_bytes: u64,
    /// The boot that it ran in.
    pub boot_id: String,
}

words! {
    /// How far a command is.
    pub enum CommandState {
        /// At work.
        Started = "started",
        /// The shell ended by itself.
        Exited = "exited",
        /// Its time was up.
        TimedOut = "timed-out",
        /// The runner, or the machine, ended first; or it never started.
        Interrupted = "interrupted",
    }
}

impl Body for CommandResult {
    const NAME: &'static str = "command-result";
    const PATH: &'static str = "/var/lib/waagent/ext/results";
    const PROGRAM: &'static str = "waagent-ext-run";
    const WRITER: &'static str = "root";
    const MODE: u32 = 0o600;

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.texts("error", &mut self.error, 4096);
    }

    fn check(&self) -> Result<(), Fault> {
        check_id(&self.id)
    }
}

/// An id is a file name and a unit's instance name.
fn check_id(id: &str) -> Result<(), Fault> {
    let good = !id.is_empty()
        && id.len() <= 128
        && !id.starts_with('.')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if good { Ok(()) } else { Err(Fault::data(format!("body.id: not an id: '{}'", shown(id)))) }
}
