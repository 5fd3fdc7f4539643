//! Taking up a command's result: what it means for the handler.

use anyhow::Result;
use waagent_common::documents::{
    Body, Command, CommandKind, CommandResult, CommandState, Document, HandlerReadiness, HandlerState,
    HandlerStatus, RunningCommand,
};
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::time;

use super::Engine;
use super::act::is_update;
use super::outcome::{self, Ended};
use crate::error::{ExtensionError, code, code_of, operation_of};
use crate::handler::command_log;
use crate::handler::manifest::Manifest;
use crate::plan::align::status;

impl Engine<'_> {
    /// Takes up the result of the command that was handed over, if there is one by now.
    pub(super) fn conclude(&mut self) -> Result<()> {
        let Some(running) = self.state.command.clone() else { return Ok(()) };
        let other_boot = running.boot_id != self.boot;
        let result = match self.result(&running) {
            Ok(Some(result)) if result.state == CommandState::Started => {
                self.note_started(&running.id);
                None
            }
            Ok(result) => result,
            Err(fault) => {
                self.conclude_with(&running, failed(&running, &fault.text));
                return Ok(());
            }
        };
        match result {
            Some(result) if result.state == CommandState::Interrupted && other_boot => {
                self.run_again(&running)
            }
            Some(result) => {
                let ended = match self.command(&running) {
                    Ok(command) => outcome::judge(self.root, &command, &result),
                    Err(fault) => failed(&running, &fault.text),
                };
                self.conclude_with(&running, ended);
                Ok(())
            }
            None if other_boot => self.run_again(&running),
            None => self.ensure_handed_over(&running),
        }
    }

    fn result(&self, running: &RunningCommand) -> Result<Option<CommandResult>, Fault> {
        let path = self.root.path(CommandResult::PATH).join(format!("{}.result.json", running.id));
        Ok(Document::read_at_if_there(self.root, &path)?.map(|document| document.body))
    }

    fn command(&self, running: &RunningCommand) -> Result<Command, Fault> {
        let path = self.root.path(Command::PATH).join(format!("{}.json", running.id));
        Document::read_at(self.root, &path).map(|document| document.body)
    }

    /// A run that broke off with the machine is no failure: extensions count on being run again.
    fn run_again(&mut self, running: &RunningCommand) -> Result<()> {
        let text = "interrupted by a restart of the machine, run again";
        log::info(&format!("[{}-{}] {} command {text}", running.name, running.version, running.kind));
        self.state.command = None;
        if let Some(record) = self.record_mut(&running.name) {
            record.status = status(HandlerReadiness::Installing, text);
        }
        self.save()
    }

    /// Killed between the record and the command's document: it never ran, so the step is planned again. Killed after
    /// that, or not heard: the start is asked for again.
    fn ensure_handed_over(&mut self, running: &RunningCommand) -> Result<()> {
        let path = self.root.path(Command::PATH).join(format!("{}.json", running.id));
        if !path.exists() {
            self.state.command = None;
            return self.save();
        }
        if let Err(fault) = self.have_started(&running.id) {
            self.conclude_with(
                running,
                failed(running, &format!("cannot start command {}: {fault}", running.id)),
            );
        }
        Ok(())
    }

    fn conclude_with(&mut self, running: &RunningCommand, ended: Ended) {
        self.state.command = None;
        self.say_end(running, &ended);
        let of_run =
            self.state.goal_state_run.as_ref().is_some_and(|run| run.goal_state_id == running.goal_state_id);
        let old = self.record(&running.name).is_some_and(|record| {
            record.previous.as_ref().is_some_and(|previous| previous.version == running.version)
        });
        match ended.trouble {
            None => self.succeeded(running, old, of_run),
            Some(trouble) => self.broke(running, old, of_run, trouble, &ended.exit_code),
        }
        self.mark(&running.name);
        self.worked = true;
    }

    fn succeeded(&mut self, running: &RunningCommand, old: bool, of_run: bool) {
        let number =
            self.extension(&running.name).and_then(|e| e.settings.first()).map(|s| s.sequence_number);
        let name = running.name.clone();
        let Some(record) = self.record_mut(&name) else { return };
        match running.kind {
            CommandKind::Update => record.state = HandlerState::Updated,
            CommandKind::Disable | CommandKind::Uninstall if old => {
                self.old_ended(&name, running.kind, "0");
            }
            CommandKind::Install => {
                record.state = HandlerState::Installed;
                record.status = status(HandlerReadiness::NotReady, "Plugin installed but not enabled");
            }
            CommandKind::Enable => {
                record.state = HandlerState::Enabled;
                record.status = status(HandlerReadiness::Ready, "Plugin enabled");
                record.failure = None;
                record.sequence_number = number;
                record.enabled_at_s = Some(time::unix_seconds());
                if of_run {
                    self.done(&name);
                }
            }
            CommandKind::Disable => {
                record.state = HandlerState::Installed;
                record.status = status(HandlerReadiness::NotReady, "Plugin disabled");
            }
            _ => record.state = HandlerState::Uninstalled,
        }
    }

    /// A command of the version that is replaced is over, or was let pass.
    fn old_ended(&mut self, name: &waagent_common::types::HandlerName, kind: CommandKind, exit_code: &str) {
        let state =
            if kind == CommandKind::Disable { HandlerState::Installed } else { HandlerState::Uninstalled };
        if let Some(previous) = self.record_mut(name).and_then(|record| record.previous.as_mut()) {
            previous.state = state;
        }
        if let Some(item) = self.item_mut(name) {
            let slot = if kind == CommandKind::Disable {
                &mut item.disable_exit_code
            } else {
                &mut item.uninstall_exit_code
            };
            *slot = Some(exit_code.to_owned());
        }
    }

    fn broke(
        &mut self,
        running: &RunningCommand,
        old: bool,
        of_run: bool,
        trouble: ExtensionError,
        exit_code: &str,
    ) {
        let name = running.name.clone();
        let update = is_update(running.kind, old);
        if running.kind == CommandKind::Uninstall && !old {
            log::warning(&format!("[{name}] {}, removing it all the same", trouble.text));
            if let Some(record) = self.record_mut(&name) {
                record.state = HandlerState::Uninstalled;
            }
            return;
        }
        if old && running.kind != CommandKind::Update && self.continues(&name) {
            log::warning(&format!(
                "[{name}] {}; Continue on Update failure flag is set, proceeding with update",
                trouble.text
            ));
            return self.old_ended(&name, running.kind, exit_code);
        }
        if let Some(record) = self.record_mut(&name) {
            match running.kind {
                CommandKind::Install => record.state = HandlerState::NotInstalled,
                CommandKind::Update => record.state = HandlerState::FailedUpgrade,
                _ if old => record.state = HandlerState::NotInstalled,
                _ => {}
            }
        }
        let trouble =
            if update { of_update(&trouble, old && running.kind != CommandKind::Update) } else { trouble };
        if of_run {
            self.fail(&name, trouble, running.status_before.clone());
        } else if let Some(record) = self.record_mut(&name) {
            record.status = HandlerStatus {
                status: HandlerReadiness::NotReady,
                code: trouble.code,
                message: trouble.text,
            };
        }
    }

    /// Does the new version's manifest let failures of the old one's commands pass?
    fn continues(&self, name: &waagent_common::types::HandlerName) -> bool {
        self.record(name)
            .and_then(|record| Manifest::read(&self.home(&record.name, &record.version), &self.guard).ok())
            .is_some_and(|manifest| manifest.continues_on_update_failure())
    }

    fn say_end(&self, running: &RunningCommand, ended: &Ended) {
        let home = self.home(&running.name, &running.version);
        match &ended.trouble {
            None => {
                let output: Vec<&str> = ended.output.lines().filter(|line| !line.is_empty()).collect();
                let text = format!("Command: {}\n{}", operation_of(running.kind), output.join("\n"));
                command_log::append(&home, "INFO", &text);
            }
            Some(trouble) => command_log::append(&home, "ERROR", &trouble.text),
        }
        let took = time::unix_millis().saturating_sub(running.written_ms);
        log::info(&format!(
            "Event: name={}, op={}, message={}, duration={took}",
            running.name,
            operation_of(running.kind),
            ended.trouble.as_ref().map_or("succeeded", |_| "failed"),
        ));
    }
}

fn failed(running: &RunningCommand, why: &str) -> Ended {
    let code = code_of(running.kind);
    let text = format!("[ExtensionOperationError] {why}");
    Ended {
        trouble: Some(ExtensionError::new(code, operation_of(running.kind), text)),
        exit_code: code.to_string(),
        output: String::new(),
    }
}

/// A failure within an update, in its words; a timeout keeps its number where it is the update command's own.
fn of_update(trouble: &ExtensionError, of_old: bool) -> ExtensionError {
    let code = if of_old || trouble.code != code::TIMED_OUT { code::UPDATE } else { trouble.code };
    let flag = if of_old { "; ContinueOnUpdate: False" } else { "" };
    ExtensionError::new(code, "Update", format!("[ExtensionUpdateError] {}{flag}", trouble.text))
}
