//! Is there something to begin? Then it is planned, recorded, and the packages are asked for.

use anyhow::Result;
use waagent_common::boot;
use waagent_common::documents::{
    self, Extension, ExtensionState, GoalState, GoalStateRun, GoalStateRunItem, GoalStateSource,
    HandlerReadiness, HandlerRecord, HandlerState, ItemState, Plan, PlannedHandler, ProvisionState, Wanted,
    WantedPackage,
};
use waagent_common::log;
use waagent_common::text::{cut, shown};
use waagent_common::time;

use super::finish::Aggregate;
use super::{Engine, WaitReason, is};
use crate::handler::adopt;
use crate::handler::certificates;
use crate::handler::paths::HandlerPaths;
use crate::plan::align::{align, fresh, status};
use crate::plan::order;
use crate::plan::step::{Step, TargetState, next, target_state_of};

/// Longest rule in the plan, in bytes.
const RULE: usize = 1024;
/// Features that a goal state may require. Handlers with several extensions are refused one by one, not with all others.
const FEATURES: &[&str] = &["MultipleExtensionsPerHandler", "VersioningGovernance"];

/// The one reason for which what ended us before isn't tried again: it may have ended the machine.
const STARTED: &str = "the machine was started";

impl Engine<'_> {
    /// Begins the newest goal state, or goes on with the one that was begun. Says why there is nothing to do.
    pub(super) fn begin(&mut self) -> Result<Option<WaitReason>> {
        let idle = |text: String| Ok(Some(WaitReason::Idle(text)));
        let Some(goal) = self.known.goal.as_ref().map(|goal| &goal.body) else {
            return idle("there is no goal state yet".to_owned());
        };
        let Some(reason) = self.reason(goal) else {
            let complete = self.state.goal_state_run.as_ref().is_some_and(|run| run.complete);
            return if complete { idle(format!("goal state {} is finished", goal.id)) } else { Ok(None) };
        };
        if !matches!(self.known.provisioning, Some(ProvisionState::Ready | ProvisionState::Failed)) {
            return idle("provisioning isn't over yet".to_owned());
        }
        if goal.outdated {
            return idle(format!("goal state {} is older than one that was seen before", goal.id));
        }
        if goal.on_hold && self.settings.over_provisioning {
            return idle(format!("extension handling is on hold by goal state {}", goal.id));
        }
        self.start(&goal.clone(), &reason)?;
        if self.state.goal_state_run.as_ref().is_some_and(|run| run.complete) {
            return idle("the goal state needs features that this agent doesn't have".to_owned());
        }
        Ok(None)
    }

    /// Why the goal state is to be worked on from its beginning; none where it was begun.
    fn reason(&self, goal: &GoalState) -> Option<String> {
        let Some(run) = &self.state.goal_state_run else { return Some("the first goal state".to_owned()) };
        if run.goal_state_id != goal.id || run.created_on != goal.created_on {
            return Some("a new goal state".to_owned());
        }
        if self.state.boot_id != self.boot {
            return Some(STARTED.to_owned());
        }
        if self.state.chain_id != boot::chain_id(self.root) {
            return Some("the agent was started".to_owned());
        }
        self.force.then(|| "asked for by --force".to_owned())
    }

    fn start(&mut self, goal: &GoalState, reason: &str) -> Result<()> {
        if let Some(run) = &self.state.goal_state_run
            && !run.complete
        {
            log::info(&format!(
                "a new goal state was received, but not all the extensions in the previous goal state {} have completed",
                run.goal_state_id
            ));
        }
        let missing: Vec<String> = goal
            .required_features
            .iter()
            .filter(|feature| !FEATURES.contains(&feature.as_str()))
            .map(|feature| shown(feature))
            .collect();
        (self.state.boot_id, self.state.chain_id) = (self.boot.clone(), boot::chain_id(self.root));
        if reason != STARTED {
            self.guard.forgive();
        }
        self.force = false;
        self.prepared.clear();
        self.basic.clear();
        self.state.goal_state_run = Some(new_run(goal, !missing.is_empty()));
        if missing.is_empty() {
            // WALinuxAgent's words, which tools look for.
            let source = match goal.source {
                GoalStateSource::Fabric => "Fabric",
                GoalStateSource::FastTrack => "FastTrack",
            };
            log::info(&format!(
                "ProcessExtensionsGoalState started [{} source: {source} activity: {} correlation {} created: {}]",
                goal.id, goal.activity_id, goal.correlation_id, goal.created_on
            ));
            self.prepare_records(goal);
            self.link_certificates();
            self.write_plan(goal, reason)?;
        } else {
            let text =
                format!("Failing GS {} as Unsupported features found: {}", goal.id, missing.join(", "));
            log::warning(&format!("{text}, ignoring the goal state"));
            self.aggregate(Aggregate::Failed, 2001, &text);
        }
        self.write_wanted()?;
        self.save()
    }

    /// A record for each handler, and no old failure or success in the platform's eyes while the new run is at work.
    fn prepare_records(&mut self, goal: &GoalState) {
        self.note_vanished();
        self.make_room(goal);
        for extension in &goal.extensions {
            let target_state = target_state_of(extension);
            if let Some(record) = self.record_mut(&extension.name) {
                let failed = record.failure.take().is_some() || record.status.code != 0;
                let text = if record.version.numbers() == extension.version.numbers() {
                    failed.then_some("Plugin is waiting to be processed again")
                } else {
                    Some("Plugin is waiting to be updated")
                };
                if let (Some(text), Ok(TargetState::Enabled)) = (text, target_state) {
                    record.status = status(HandlerReadiness::Installing, text);
                }
                continue;
            }
            let found = adopt::installed(self.root, &extension.name);
            if target_state != Ok(TargetState::Uninstall)
                || found.is_some()
                || self.verdict_of(extension).is_err()
            {
                self.state.handlers.push(fresh(extension, found));
            }
        }
    }

    /// Forgets the oldest handlers that aren't in the goal state, of many: goal states that were never finished leave
    /// them behind. Their folders say what there was, and go when a goal state is finished.
    fn make_room(&mut self, goal: &GoalState) {
        let named =
            |record: &HandlerRecord| goal.extensions.iter().any(|known| is(&known.name, &record.name));
        let room = ExtensionState::MAX_HANDLERS.saturating_sub(goal.extensions.len());
        let mut surplus =
            self.state.handlers.iter().filter(|record| !named(record)).count().saturating_sub(room);
        self.state.handlers.retain(|record| {
            let goes = surplus > 0 && !named(record);
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// A handler whose folder is gone (it, or an administrator, deleted it) isn't installed any more.
    fn note_vanished(&mut self) {
        let logs = &self.settings.logs;
        for record in &mut self.state.handlers {
            let gone = |version| !HandlerPaths::new(self.root, logs, &record.name, version).base().is_dir();
            if record.state != HandlerState::NotInstalled && gone(&record.version) {
                log::warning(&format!(
                    "[{}-{}] its folder is gone, installing anew",
                    record.name, record.version
                ));
                record.state = HandlerState::NotInstalled;
            }
            if record.previous.as_ref().is_some_and(|previous| gone(&previous.version)) {
                record.previous = None;
            }
        }
    }

    /// Links to the certificates that are there; one that can't be made is the extension's trouble later.
    pub(crate) fn link_certificates(&self) {
        if let Some(document) = &self.known.certificates
            && let Err(fault) = certificates::link(self.root, &document.body)
        {
            log::warning(&format!("{fault}, ignoring"));
        }
    }

    pub(super) fn verdict_of(
        &self,
        extension: &Extension,
    ) -> Result<&'static str, crate::error::ExtensionError> {
        let all = self.known.goal.as_ref().map_or(&[][..], |goal| &goal.body.extensions);
        self.admission.on(extension, all)
    }

    /// The same with the word about signatures for the first step: a package that couldn't be used isn't fetched.
    fn verdict_with_signature(
        &self,
        extension: &Extension,
    ) -> Result<&'static str, crate::error::ExtensionError> {
        let rule = self.verdict_of(extension)?;
        match self.first_step(extension) {
            Some((step, record)) => self.is_signed_enough(extension, &record, &step).map(|()| rule),
            None => Ok(rule),
        }
    }

    fn write_plan(&self, goal: &GoalState, reason: &str) -> Result<()> {
        let steps =
            order::order(&goal.extensions).into_iter().map(|extension| self.planned(extension)).collect();
        let plan = Plan { goal_state_id: goal.id.clone(), reason: reason.to_owned(), steps };
        documents::write(self.root, &plan, &self.inputs(), self.sandbox)?;
        Ok(())
    }

    fn planned(&self, extension: &Extension) -> PlannedHandler {
        let verdict = self.verdict_with_signature(extension);
        let signed = self.admission.demands_signature(&extension.name);
        PlannedHandler {
            name: extension.name.clone(),
            version: extension.version.clone(),
            wanted: shown(extension.state.as_str()),
            level: order::key(extension),
            next: match (&verdict, self.first_step(extension)) {
                (Ok(_), Some((step, _))) => describe(&step),
                _ => "none".to_owned(),
            },
            allowed: verdict.is_ok(),
            rule: match verdict {
                Ok(rule) if signed => format!("{rule}, package must be signed"),
                Ok(rule) => rule.to_owned(),
                Err(trouble) => cut(&trouble.text, RULE).to_owned(),
            },
        }
    }

    /// The next step as things stand, and the record that it is for.
    fn first_step(&self, extension: &Extension) -> Option<(Step, HandlerRecord)> {
        let target_state = target_state_of(extension).ok()?;
        let mut record: HandlerRecord =
            self.record(&extension.name).cloned().unwrap_or_else(|| fresh(extension, None));
        align(&mut record, target_state, &extension.version);
        Some((next(target_state, &record), record))
    }

    /// Asks for the packages of all handlers that are to be unpacked in this run and aren't yet.
    pub(super) fn write_wanted(&self) -> Result<()> {
        let (Some(goal), Some(run)) = (&self.known.goal, &self.state.goal_state_run) else { return Ok(()) };
        let open = |extension: &&Extension| {
            run.items.iter().any(|item| is(&item.name, &extension.name) && item.state == ItemState::Open)
        };
        let packages = order::order(&goal.body.extensions)
            .into_iter()
            .filter(open)
            .filter(|extension| self.verdict_with_signature(extension).is_ok())
            .filter(|extension| self.first_step(extension).is_some_and(|(step, _)| step == Step::Unpack))
            .map(|extension| WantedPackage {
                name: extension.name.clone(),
                version: extension.version.clone(),
                attempt: self.attempt(extension),
            })
            .collect();
        let wanted = Wanted { goal_state_id: run.goal_state_id.clone(), packages };
        documents::write(self.root, &wanted, &self.inputs(), self.sandbox)?;
        Ok(())
    }

    /// The number of the download that this version's record asks for.
    fn attempt(&self, extension: &Extension) -> u32 {
        let record = self.record(&extension.name).filter(|record| record.version == extension.version);
        record.map_or(1, |record| record.attempt)
    }
}

fn new_run(goal: &GoalState, refused: bool) -> GoalStateRun {
    let mut items: Vec<GoalStateRunItem> = Vec::new();
    for extension in order::order(&goal.extensions).into_iter().filter(|_| !refused) {
        // A name that is listed twice is one failure.
        if items.iter().all(|item| !is(&item.name, &extension.name)) {
            items.push(GoalStateRunItem {
                name: extension.name.clone(),
                state: ItemState::Open,
                disable_exit_code: None,
                uninstall_exit_code: None,
                note: None,
            });
        }
    }
    GoalStateRun {
        goal_state_id: goal.id.clone(),
        created_on: goal.created_on.clone(),
        svd_sequence_number: goal.svd_sequence_number,
        started_at: time::now_micros(),
        started_uptime_s: time::uptime().as_secs(),
        complete: refused,
        items,
    }
}

fn describe(step: &Step) -> String {
    match step {
        Step::Unpack => "fetch and unpack the package, install or update, enable".to_owned(),
        Step::Run(kind) => format!("run {kind}"),
        Step::RunOld(kind, version) => format!("run {kind} of {version}"),
        Step::DropOld(version) => format!("remove {version}"),
        Step::Remove => "remove".to_owned(),
        Step::Finish => "nothing".to_owned(),
    }
}
