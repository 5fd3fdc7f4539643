//! The start of a command's runner: asked for until the service manager has said yes once.

use std::time::{Duration, Instant};

use waagent_common::documents::{Body, Command};
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;

use super::housekeeping::discard;
use super::{Engine, WaitReason};

/// A manager that doesn't answer is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// It is given up after this. No manager is busy with itself for so long.
const PATIENCE: Duration = Duration::from_secs(300);

/// A start that this process has asked for.
#[derive(Debug)]
pub(super) struct Asked {
    id: String,
    since: Instant,
    answered: bool,
}

impl Engine<'_> {
    /// Has this command's runner started, unless that was seen done. Asking twice does no harm, for the runner begins no
    /// id twice. After an error nobody can begin the command any more.
    pub(super) fn have_started(&mut self, id: &str) -> Result<(), Fault> {
        let before = self.asked.take().filter(|asked| asked.id == id);
        if before.as_ref().is_some_and(|asked| asked.answered) {
            self.asked = before;
            return Ok(());
        }
        let is_first = before.is_none();
        let since = before.map_or_else(Instant::now, |asked| asked.since);
        let answer = self.starter.start(self.root, id);
        self.asked = Some(Asked { id: id.to_owned(), since, answered: answer.is_ok() });
        match answer {
            Err(fault) if fault.exit == Exit::TryAgain && since.elapsed() < PATIENCE => {
                if is_first {
                    log::warning(&format!("{fault}, asking again"));
                }
                Ok(())
            }
            Err(fault) => {
                discard(&self.root.path(Command::PATH).join(format!("{id}.json")));
                Err(fault)
            }
            Ok(()) => Ok(()),
        }
    }

    /// The runner has begun it: whatever the manager says or doesn't say, its result is waited for.
    pub(super) fn note_started(&mut self, id: &str) {
        self.asked = Some(Asked { id: id.to_owned(), since: Instant::now(), answered: true });
    }

    /// What to wait for while this command is recorded.
    pub(super) fn rest_of(&self, id: &str) -> WaitReason {
        if self.asked.as_ref().is_some_and(|asked| asked.id == id && !asked.answered) {
            WaitReason::Start(id.to_owned(), AGAIN)
        } else {
            WaitReason::Command(id.to_owned())
        }
    }
}
