//! One pass over the steps.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use waagent_common::config::Config;
use waagent_common::documents::{JournalState, Step, StepError, StepState};
use waagent_common::fault::{Exit, exit_of};
use waagent_common::root::Root;

use crate::accounts::{Account, account};
use crate::console;
use crate::journal::Journal;
use crate::plan::Plan;
use crate::reason::{self, Reason};
use crate::steps::host_keys;

/// What all steps see.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    /// The tree that is provisioned.
    pub(crate) root: &'a Root,
    /// The configuration.
    pub(crate) config: &'a Config,
    /// What is to be done.
    pub(crate) plan: &'a Plan,
    /// How far it is.
    pub(crate) journal: Journal<'a>,
    /// The marker names this VM: `--force` looks at everything again, but makes no new host keys.
    pub(crate) is_marked: bool,
    /// Files that were made: their SELinux labels are looked at in the end.
    pub(crate) touched: Vec<PathBuf>,
    /// Host keys in the making.
    pub(crate) host_keys: Option<host_keys::Making>,
    /// What was got over.
    pub(crate) warnings: Vec<String>,
    /// What went wrong.
    pub(crate) errors: Vec<StepError>,
    /// What a later pass waits for.
    pub(crate) waits_for: Vec<String>,
    /// The steps so far.
    pub(crate) steps: Vec<Step>,
    /// Exit status of the first error.
    pub(crate) exit: Option<Exit>,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepOutcome {
    /// Something was changed.
    Done(String),
    /// It was so already.
    Unchanged(String),
    /// Not needed, or not possible without harm.
    Skipped(String),
    /// Something that a later pass may find.
    Waiting(Vec<String>),
}

/// One row of the table of steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Its name in journal and status.
    pub(crate) name: &'static str,
    /// What the platform is told where it fails.
    pub(crate) reason: Reason,
    /// Steps without which it makes no sense.
    pub(crate) needs: &'static [&'static str],
    /// The step itself.
    pub(crate) run: fn(&mut Pass<'_>) -> Result<StepOutcome>,
}

impl Pass<'_> {
    /// Runs the steps in order. A failed one holds up only those that need it: an administrator with half an account
    /// at the console is better off than one with none.
    pub(crate) fn run(&mut self, rows: &[Row]) -> Result<()> {
        for row in rows {
            let start = Instant::now();
            let lacking = row.needs.iter().find(|need| self.has_failed(need));
            let came = if let Some(lacking) = lacking {
                Ok(StepOutcome::Skipped(format!("step '{lacking}' failed")))
            } else {
                self.start(row)?;
                (row.run)(self)
            };
            let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.end(row, came, ms)?;
        }
        Ok(())
    }

    /// Did this step fail, or was it left out because another one failed?
    pub(crate) fn has_failed(&self, name: &str) -> bool {
        self.errors.iter().any(|error| error.step == name)
            || self.steps.iter().any(|step| step.name == name && step.state == StepState::HeldUp)
    }

    /// Had an earlier pass, or this one, finished this step?
    pub(crate) fn was_done(&self, name: &str) -> bool {
        self.journal.state(name) == Some(JournalState::Done)
    }

    /// Did a pass of this instance make the user?
    pub(crate) fn account_is_ours(&self) -> bool {
        self.journal.body.created_user.as_deref() == Some(self.plan.user.as_str())
    }

    /// The user's account as it is now.
    pub(crate) fn account(&self) -> Result<Account> {
        account(self.root, self.plan.user.as_str()).ok_or_else(|| {
            let text = format!("user '{}' isn't in /etc/passwd", self.plan.user);
            waagent_common::fault::Fault::new(Exit::Os, text).into()
        })
    }

    /// Notes what was got over, in log and status.
    pub(crate) fn warn(&mut self, text: String) {
        console::warning(&text);
        self.warnings.push(text);
    }

    /// A step that came to an end before keeps its words while it is looked at again.
    fn start(&mut self, row: &Row) -> Result<()> {
        match self.journal.state(row.name) {
            None | Some(JournalState::Failed) => self.journal.note(row.name, JournalState::Started, ""),
            Some(_) => Ok(()),
        }
    }

    fn end(&mut self, row: &Row, came: Result<StepOutcome>, ms: u64) -> Result<()> {
        let (state, shown, detail) = match came {
            Ok(StepOutcome::Done(detail)) => (JournalState::Done, StepState::Done, detail),
            Ok(StepOutcome::Unchanged(detail)) => (JournalState::Done, StepState::Unchanged, detail),
            Ok(StepOutcome::Skipped(why)) if row.needs.iter().any(|need| self.has_failed(need)) => {
                (JournalState::Skipped, StepState::HeldUp, why)
            }
            Ok(StepOutcome::Skipped(why)) => (JournalState::Skipped, StepState::Skipped, why),
            Ok(StepOutcome::Waiting(things)) => {
                let detail = things.join(", ");
                self.waits_for.extend(things);
                (JournalState::Waiting, StepState::Waiting, detail)
            }
            Err(error) => {
                let text = format!("{error:#}");
                let reason = reason::refined(row.reason, &error);
                self.errors.push(reason::error(row.name, reason, &text));
                self.exit.get_or_insert(exit_of(&error));
                (JournalState::Failed, StepState::Failed, text)
            }
        };
        let line = format!("step {} {shown}: {detail} ({ms} ms)", row.name);
        match shown {
            StepState::Failed | StepState::HeldUp => console::warning(&line),
            StepState::Unchanged => waagent_common::log::verbose(&line),
            _ => console::info(&line),
        }
        // A repeated look keeps the words of the step's first end.
        if !(shown == StepState::Unchanged && self.was_done(row.name)) {
            self.journal.note(row.name, state, &detail)?;
        }
        self.steps.push(Step { name: row.name.to_owned(), state: shown, ms });
        Ok(())
    }
}
