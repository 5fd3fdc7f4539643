//! Arguments of `waagent-ext-run`.

use clap::Parser;
use waagent_common::args::Common;
use waagent_common::fault::{Exit, Fault};

/// Run one command of an extension handler from its document, and leave the result.
///
/// Started by systemd (waagent-ext-run@ID.service) or by the supervisor. A command that was run before, in whatever
/// way it ended, is not run again.
#[derive(Debug, Parser)]
#[command(name = "waagent-ext-run", version)]
pub struct Args {
    /// Options of every program
    #[command(flatten)]
    pub common: Common,
    /// The command: ext/commands/ID.json
    #[arg(value_name = "ID", required_unless_present_any = ["custom_data", "ended", "policy"])]
    pub id: Option<String>,
    /// Run the deployment's custom data, once
    #[arg(long, conflicts_with_all = ["id", "ended"])]
    pub custom_data: bool,
    /// Write the result of a run of ID that ended without one
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    pub ended: Option<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Run this command.
    Command(String),
    /// Conclude this run.
    Ended(String),
    /// Run the custom data.
    CustomData,
}

impl Args {
    /// The job, with an id that is fit for a file name.
    pub fn job(&self) -> Result<Job, Fault> {
        match (&self.id, &self.ended) {
            (Some(id), _) => check_id(id).map(Job::Command),
            (None, Some(id)) => check_id(id).map(Job::Ended),
            (None, None) => Ok(Job::CustomData),
        }
    }
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn check_id(id: &str) -> Result<String, Fault> {
    let good = !id.is_empty()
        && id.len() <= 128
        && !id.starts_with('.')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if good {
        Ok(id.to_owned())
    } else {
        let text = format!("not a command's id: '{}'", waagent_common::text::shown(id));
        Err(Fault::new(Exit::Usage, text))
    }
}
