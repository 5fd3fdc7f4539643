//! The work on a goal state: one step after the other, each recorded before the next begins.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use start::Asked;
use waagent_common::boot;
use waagent_common::config::{Config, IntegerKey, SwitchKey, TextKey};
use waagent_common::documents::{
    self, Body, Document, Extension, ExtensionState, GoalStateRunItem, HandlerRecord, HandlerState, Inputs,
    ItemState, Written,
};
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::resident;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::types::{HandlerName, HandlerVersion};

use crate::admission::Admission;
use crate::crash_guard::Guard;
use crate::handler::manifest::Manifest;
use crate::handler::paths::HandlerPaths;
use crate::inputs::Known;
use crate::package::Limits;
use crate::plan::order::{self, Turn, Turnable};
use crate::starter::Starter;
use crate::status::report::{Reporter, Sources};

mod act;
mod begin;
mod command;
mod conclude;
mod finish;
mod housekeeping;
mod outcome;
mod prepare;
mod signature;
mod start;

/// Why nothing further is begun.
const ENDING: &str = "this program is asked to end";

/// What the work waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaitReason {
    /// Nothing is left to do, or nothing may be done; the text says which.
    Idle(String),
    /// A command of a handler is at work, or waits for its starter.
    Command(String),
    /// A command whose start the service manager hasn't confirmed; it is asked again after this.
    Start(String, Duration),
    /// A package.
    Package(String),
    /// What an extension depends on, at most for this long.
    Dependency(String, Duration),
    /// Certificates, at most for this long.
    Certificate(String, Duration),
}

/// What the configuration says about extensions.
#[derive(Debug)]
pub(crate) struct Settings {
    logs: String,
    limits: Limits,
    over_provisioning: bool,
    fips: bool,
    digest: String,
}

impl Settings {
    /// The keys that this program uses.
    pub(crate) fn new(config: &Config) -> Self {
        let mib = |key| config.integer(key);
        Self {
            logs: config.text(TextKey::ExtensionLogDir).to_owned(),
            limits: Limits::new(
                mib(IntegerKey::ExtensionsMaxPackageMb),
                mib(IntegerKey::ExtensionsMaxUnpackedMb),
            ),
            over_provisioning: config.switch(SwitchKey::EnableOverProvisioning),
            fips: config.switch(SwitchKey::OsEnableFips),
            digest: config.digest_for("waagent-ext"),
        }
    }
}

/// The work, and all that it knows.
#[derive(Debug)]
pub struct Engine<'a> {
    root: &'a Root,
    config: &'a Config,
    sandbox: &'a Sandbox,
    settings: Settings,
    starter: Starter,
    /// The newest start that was asked for.
    asked: Option<Asked>,
    /// Around all work on foreign bytes.
    guard: Guard<'a>,
    known: Known,
    admission: Admission,
    state: ExtensionState,
    /// The state as it is on disk.
    saved: Option<ExtensionState>,
    reporter: Reporter,
    /// Handlers whose files were written in this goal state run.
    prepared: HashSet<HandlerName>,
    /// Did anything happen since the start?
    worked: bool,
    force: bool,
    /// The goal state of the last report.
    reported: Option<String>,
    /// The boot's id, which can't change under us.
    boot: String,
    /// What every command's environment begins with; of this goal state run.
    basic: BTreeMap<String, String>,
}

impl<'a> Engine<'a> {
    /// Takes up the work where the last run left it.
    pub fn new(root: &'a Root, config: &'a Config, sandbox: &'a Sandbox, force: bool) -> Result<Self> {
        let state = load(root)?;
        let guard = Guard::open(root, sandbox);
        let mut engine = Self {
            root,
            config,
            sandbox,
            settings: Settings::new(config),
            starter: Starter::of(root),
            asked: None,
            known: Known::read(root, &guard)?,
            guard,
            admission: Admission::read(root, config),
            saved: Some(state.clone()).filter(|state| *state != ExtensionState::default()),
            state,
            reporter: Reporter::default(),
            prepared: HashSet::new(),
            worked: false,
            force,
            reported: None,
            boot: boot::id(),
            basic: BTreeMap::new(),
        };
        engine.clear_left_overs();
        Ok(engine)
    }

    /// Reads the documents of the other programs again. A damaged goal state leaves the old one in force.
    pub(crate) fn refresh(&mut self) {
        match Known::read(self.root, &self.guard) {
            Ok(known) => self.known = known,
            Err(fault) => log::error(&fault.text),
        }
    }

    /// Does all that can be done now, and says what it waits for.
    pub(crate) fn advance(&mut self) -> Result<WaitReason> {
        self.conclude()?;
        if let Some(rest) = self.begin()? {
            return Ok(rest);
        }
        // A handler takes at most a dozen steps in a goal state run: more is a fault of ours, and mustn't spin.
        let handlers = self.state.goal_state_run.as_ref().map_or(0, |run| run.items.len());
        for _ in 0..=handlers.saturating_mul(16) {
            if resident::must_end() {
                return Ok(WaitReason::Idle(ENDING.to_owned()));
            }
            if let Some(running) = &self.state.command {
                return Ok(self.rest_of(&running.id));
            }
            let rest = match self.turn() {
                Turn::Over => return self.finish(),
                Turn::Wait(index) => Some(WaitReason::Dependency(self.name_of(index), self.patience())),
                Turn::Skip(index, why) => {
                    self.skip(index, &why);
                    None
                }
                Turn::Act(index) => self.act(index)?,
            };
            if let Some(rest) = rest {
                self.save()?;
                return Ok(rest);
            }
        }
        Err(Fault::new(Exit::Software, "a handler's steps come to no end; report this as a bug").into())
    }

    /// Writes the report if it changed, and says when it may change by time alone.
    pub(crate) fn publish(&mut self) -> Result<(Written, Option<Duration>)> {
        let goal = self.known.goal.as_ref();
        let sources = Sources { root: self.root, logs: &self.settings.logs, guard: &self.guard };
        let report = self.reporter.report(&sources, &self.state, goal.map(|goal| &goal.body));
        let written = documents::write(self.root, &report.body, &self.inputs(), self.sandbox)?;
        self.reported.clone_from(&report.body.goal_state_id);
        self.note_progress(&report.body)?;
        Ok((written, report.again))
    }

    /// Did this run do anything?
    pub(crate) fn has_worked(&self) -> bool {
        self.worked
    }

    /// Was a goal state begun that no report has told of?
    pub(crate) fn is_new(&self) -> bool {
        self.reported != self.known.goal.as_ref().map(|goal| goal.body.id.clone())
    }

    /// Folders whose changes matter besides the documents': of each handler, and whether it has a heartbeat.
    pub(crate) fn watched(&self) -> Vec<(HandlerPaths, bool)> {
        let home = |record: &HandlerRecord| {
            let home = self.home(&record.name, &record.version);
            let heartbeat = record.state == HandlerState::Enabled
                && Manifest::read(&home, &self.guard).is_ok_and(|manifest| manifest.reports_heartbeat());
            (home, heartbeat)
        };
        self.state.handlers.iter().map(home).collect()
    }

    fn inputs(&self) -> Inputs {
        Inputs::new().optional(self.known.goal.as_ref()).digest("configuration", &self.settings.digest)
    }

    /// Records what is done; nothing further is begun if that fails.
    fn save(&mut self) -> Result<()> {
        if self.saved.as_ref() == Some(&self.state) {
            return Ok(());
        }
        let path = self.root.path(ExtensionState::PATH);
        documents::replace_at(&path, &self.state, &self.inputs(), self.sandbox)?;
        self.saved = Some(self.state.clone());
        self.worked = true;
        Ok(())
    }

    /// How long may still be waited for dependencies.
    fn patience(&self) -> Duration {
        let started = self.state.goal_state_run.as_ref().map_or(0, |run| run.started_uptime_s);
        let end = Duration::from_secs(started.saturating_add(order::MAX_WAIT_S));
        end.saturating_sub(waagent_common::time::uptime())
    }

    fn turn(&self) -> Turn {
        let (Some(goal), Some(run)) = (&self.known.goal, &self.state.goal_state_run) else {
            return Turn::Over;
        };
        let levels: HashSet<i64> =
            goal.body.extensions.iter().map(order::key).filter(|key| *key >= 0).collect();
        let handlers: Vec<Turnable> =
            run.items.iter().map(|item| self.turnable(item, levels.len() > 1)).collect();
        let waited = waagent_common::time::uptime().as_secs().saturating_sub(run.started_uptime_s);
        order::turn(&handlers, waited)
    }

    fn turnable(&self, item: &GoalStateRunItem, has_levels: bool) -> Turnable {
        let extension = self.extension(&item.name);
        let key = extension.map_or(0, order::key);
        let record = self.record(&item.name);
        let word = match (extension, record) {
            (Some(extension), Some(record)) if has_levels && item.state == ItemState::Done && key >= 0 => {
                let home = self.home(&record.name, &record.version);
                let settings = extension.settings.first();
                settings.map(|settings| self.reporter.word(&self.guard, &home, settings.sequence_number))
            }
            _ => None,
        };
        let version = record.map_or_else(String::new, |record| format!("-{}", record.version));
        Turnable { key, state: item.state, full_name: format!("{}{version}", item.name), word }
    }

    fn extension(&self, name: &HandlerName) -> Option<&Extension> {
        self.known.goal.as_ref()?.body.extensions.iter().find(|extension| is(&extension.name, name))
    }

    fn record(&self, name: &HandlerName) -> Option<&HandlerRecord> {
        self.state.handlers.iter().find(|record| is(&record.name, name))
    }

    fn record_mut(&mut self, name: &HandlerName) -> Option<&mut HandlerRecord> {
        self.state.handlers.iter_mut().find(|record| is(&record.name, name))
    }

    fn item_mut(&mut self, name: &HandlerName) -> Option<&mut GoalStateRunItem> {
        self.state.goal_state_run.as_mut()?.items.iter_mut().find(|item| is(&item.name, name))
    }

    fn name_of(&self, index: usize) -> String {
        let item = self.state.goal_state_run.as_ref().and_then(|run| run.items.get(index));
        item.map_or_else(String::new, |item| item.name.to_string())
    }

    fn home(&self, name: &HandlerName, version: &HandlerVersion) -> HandlerPaths {
        HandlerPaths::new(self.root, &self.settings.logs, name, version)
    }
}

/// The same handler, whatever the case: the platform ignores it.
fn is(one: &HandlerName, other: &HandlerName) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

/// The state as it was left. A damaged one is put aside: folders then tell what is installed.
fn load(root: &Root) -> Result<ExtensionState> {
    match Document::<ExtensionState>::read_if_there(root) {
        Ok(document) => Ok(document.map(|document| document.body).unwrap_or_default()),
        Err(fault) if fault.exit == Exit::Data => {
            let path = root.path(ExtensionState::PATH);
            let aside = path.with_extension("json.bad");
            log::warning(&format!("{fault}, using what the folders of handlers say"));
            std::fs::rename(&path, &aside).map_err(|error| {
                Fault::io(format!("cannot put '{}' aside: {error}; remove it", path.display()))
            })?;
            Ok(ExtensionState::default())
        }
        Err(fault) => Err(fault.into()),
    }
}
