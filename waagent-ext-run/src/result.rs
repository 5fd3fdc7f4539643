//! The result document of a command, and the mark that it was begun.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use waagent_common::documents::{self, CommandResult, CommandState, Document, Inputs};
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::time;

use waagent_common::boot;

/// Where one command's results are.
#[derive(Debug)]
pub(crate) struct Results<'a> {
    root: &'a Root,
    id: &'a str,
    inputs: Inputs,
    sandbox: &'a Sandbox,
}

impl<'a> Results<'a> {
    /// Results of this command, made from these inputs.
    pub(crate) fn new(root: &'a Root, id: &'a str, inputs: Inputs, sandbox: &'a Sandbox) -> Self {
        Self { root, id, inputs, sandbox }
    }

    /// `ext/results/<id>.<kind>`.
    pub(crate) fn path(&self, kind: &str) -> PathBuf {
        self.root.state_path("ext/results").join(format!("{}.{kind}", self.id))
    }

    /// The result as it is; a damaged one counts as none.
    pub(crate) fn read(&self) -> Option<CommandResult> {
        Document::read_at_if_there(self.root, &self.path("result.json"))
            .ok()
            .flatten()
            .map(|document| document.body)
    }

    /// Makes the output files. `None` where they are there: this command was begun before, in whatever way it ended.
    pub(crate) fn claim(&self) -> Result<Option<(File, File)>, Fault> {
        let Some(out) = self.create("out")? else { return Ok(None) };
        let Some(err) = self.create("err")? else { return Ok(None) };
        Ok(Some((out, err)))
    }

    fn create(&self, kind: &str) -> Result<Option<File>, Fault> {
        let path = self.path(kind);
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => {
                Err(Fault::new(Exit::CannotCreate, format!("cannot create '{}': {error}", path.display())))
            }
        }
    }

    /// A result in this state, begun now.
    pub(crate) fn begun(&self, state: CommandState) -> CommandResult {
        CommandResult {
            id: self.id.to_owned(),
            state,
            exit_code: None,
            signal: None,
            error: None,
            started_at: Some(time::now_micros()),
            ended_at: None,
            stdout_bytes: 0,
            stderr_bytes: 0,
            boot_id: boot::id(),
        }
    }

    /// Writes the result durably.
    pub(crate) fn write(&self, result: &CommandResult) -> Result<(), Fault> {
        let path = self.path("result.json");
        documents::replace_at(&path, result, &self.inputs, self.sandbox)
    }

    /// Writes that the command wasn't run, or broke off, and why.
    pub(crate) fn interrupt(&self, why: &str) -> Result<(), Fault> {
        let mut result = self.read().unwrap_or_else(|| self.begun(CommandState::Interrupted));
        result.state = CommandState::Interrupted;
        result.error = Some(waagent_common::text::one_line(why, 2000));
        result.ended_at = Some(time::now_micros());
        self.write(&result)
    }
}
