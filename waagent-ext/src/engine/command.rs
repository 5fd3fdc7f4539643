//! Handing a command of a handler to the runner: its document, then its start.

use std::collections::BTreeMap;

use waagent_common::command::environment;
use waagent_common::documents::{
    self, Body, Command, CommandKind, Extension, HandlerRecord, HandlerRef, RunningCommand, TargetState,
};
use waagent_common::log;
use waagent_common::time;
use waagent_common::types::HandlerVersion;

use super::act::Stop;
use super::{Engine, WaitReason};
use crate::error::{ExtensionError, code_of, operation_of};
use crate::handler::command_log;
use crate::handler::manifest::Manifest;
use crate::handler::paths::HandlerPaths;
use crate::inputs;
use crate::status::read;

/// Features of the agent that handlers ask for: none is done yet.
const SUPPORTED: &str = "[]";
const NOT_RUN: &str = "NOT_RUN";

impl Engine<'_> {
    /// Has this command run. `version` is the record's, or the one that it replaces.
    pub(super) fn run(
        &mut self,
        extension: &Extension,
        kind: CommandKind,
        version: &HandlerVersion,
    ) -> Result<Option<WaitReason>, Stop> {
        let Some(record) = self.record(&extension.name).cloned() else { return Ok(None) };
        let new = self.home(&record.name, &record.version);
        if extension.state.target_state() == Some(TargetState::Enabled)
            && let Some(rest) = self.prepare(extension, &new)?
        {
            return Ok(Some(rest));
        }
        let old = record.previous.as_ref().map(|previous| self.home(&record.name, &previous.version));
        self.carry_over(kind, old.as_ref(), &new)?;
        // A downgrade is done by the update command of the newer version: the old one can't know of it.
        let down = old.as_ref().is_some_and(|old| old.version.numbers() > new.version.numbers());
        let home = match old {
            Some(old) if (kind == CommandKind::Update && down) || *version == old.version => old,
            _ => new,
        };
        let line = Manifest::read(&home, &self.guard)?.command(kind)?.to_owned();
        let command = self.document(extension, &record, kind, &home, &line);
        let number = extension.settings.first().map_or(0, |settings| settings.sequence_number);
        let status_before = Some(read::mark(&self.home(&record.name, &record.version), number));
        self.hand_over(&command, &home, &record, status_before).map(Some)
    }

    fn document(
        &mut self,
        extension: &Extension,
        record: &HandlerRecord,
        kind: CommandKind,
        home: &HandlerPaths,
        line: &str,
    ) -> Command {
        self.state.commands = self.state.commands.saturating_add(1);
        if self.basic.is_empty() {
            self.basic = environment::basic(self.root, self.settings.fips);
        }
        let base = home.base().to_string_lossy().into_owned();
        Command {
            id: format!("{}-{}", time::unix_millis(), self.state.commands),
            kind,
            handler: Some(HandlerRef { name: home.name.clone(), version: home.version.clone() }),
            extension: None,
            command: format!("{base}/{}", line.trim_start_matches('/')),
            environment: self.environment(extension, record, kind, home),
            directory: base,
            timeout_s: match kind {
                CommandKind::Enable | CommandKind::Uninstall => 300,
                _ => 900,
            },
            slice: Some(slice(home)),
            boot_id: self.boot.clone(),
        }
    }

    fn environment(
        &self,
        extension: &Extension,
        record: &HandlerRecord,
        kind: CommandKind,
        home: &HandlerPaths,
    ) -> BTreeMap<String, String> {
        let mut environment = self.basic.clone();
        let number = extension.settings.first().map_or(0, |settings| settings.sequence_number);
        let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
        set("AZURE_GUEST_AGENT_EXTENSION_PATH", &home.base().to_string_lossy());
        set("AZURE_GUEST_AGENT_EXTENSION_VERSION", home.version.as_str());
        set("AZURE_GUEST_AGENT_WIRE_PROTOCOL_ADDRESS", &inputs::platform(self.root));
        set("ConfigSequenceNumber", &number.to_string());
        set("AZURE_GUEST_AGENT_EXTENSION_SUPPORTED_FEATURES", SUPPORTED);
        let run = self.state.goal_state_run.as_ref();
        let item = run.and_then(|run| run.items.iter().find(|item| super::is(&item.name, &extension.name)));
        match kind {
            CommandKind::Install | CommandKind::Enable => {
                let exit = item.and_then(|item| item.uninstall_exit_code.as_deref()).unwrap_or(NOT_RUN);
                set("AZURE_GUEST_AGENT_UNINSTALL_CMD_EXIT_CODE", exit);
            }
            CommandKind::Update => {
                let exit = item.and_then(|item| item.disable_exit_code.as_deref()).unwrap_or(NOT_RUN);
                set("AZURE_GUEST_AGENT_DISABLE_CMD_EXIT_CODE", exit);
                set("VERSION", record.version.as_str());
                // In a downgrade published handlers have only ever seen the target here.
                let down = home.version != record.version;
                let from =
                    record.previous.as_ref().filter(|_| !down).map_or(&record.version, |old| &old.version);
                set("AZURE_GUEST_AGENT_UPDATING_FROM_VERSION", from.as_str());
            }
            _ => {}
        }
        environment
    }

    /// Recorded first, then written, then started: a command that isn't recorded never runs.
    fn hand_over(
        &mut self,
        command: &Command,
        home: &HandlerPaths,
        record: &HandlerRecord,
        status_before: Option<String>,
    ) -> Result<WaitReason, Stop> {
        let goal_state_id =
            self.state.goal_state_run.as_ref().map_or_else(String::new, |run| run.goal_state_id.clone());
        self.state.command = Some(RunningCommand {
            id: command.id.clone(),
            kind: command.kind,
            name: record.name.clone(),
            version: home.version.clone(),
            goal_state_id,
            written_ms: time::unix_millis(),
            status_before,
            boot_id: command.boot_id.clone(),
        });
        self.save()?;
        let path = self.root.path(Command::PATH).join(format!("{}.json", command.id));
        documents::replace_at(&path, command, &self.inputs(), self.sandbox).map_err(anyhow::Error::from)?;
        say(command, home);
        if let Err(fault) = self.have_started(&command.id) {
            self.state.command = None;
            let text = format!("[ExtensionOperationError] cannot start command {}: {fault}", command.id);
            return Err(ExtensionError::new(code_of(command.kind), operation_of(command.kind), text).into());
        }
        Ok(self.rest_of(&command.id))
    }
}

/// Tells people what is handed over, the variables that are the contract's included.
fn say(command: &Command, home: &HandlerPaths) {
    let added: BTreeMap<_, _> = command
        .environment
        .iter()
        .filter(|(name, _)| name.starts_with("AZURE_") || name.starts_with("Config") || *name == "VERSION")
        .collect();
    let added = serde_json::to_string(&added).unwrap_or_default();
    let text = format!("Executing command: {} with environment variables: {added}", command.command);
    command_log::append(home, "INFO", &text);
    let kind = operation_of(command.kind);
    log::info(&format!("[{}] {kind} extension: [{}]", home.full_name(), command.command));
}

/// The handler's slice: administrators have drop-ins under these names.
fn slice(home: &HandlerPaths) -> String {
    let mut name = "azure-vmextensions-".to_owned();
    for byte in home.name.as_str().bytes() {
        match byte {
            b'-' => name.push('_'),
            b if b.is_ascii_alphanumeric() || b"_.".contains(&b) => name.push(char::from(b)),
            b => name.extend(format!("\\x{b:02x}").chars()),
        }
    }
    name + ".slice"
}
