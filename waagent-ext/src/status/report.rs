//! The document for the platform: an entry for each handler of the goal state, in its order.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use waagent_common::documents::{
    CommandKind, Extension, ExtensionState, ExtensionStatus, GoalState, HandlerReadiness, HandlerRecord,
    HandlerState, HandlerStatus, ItemState, TargetState,
};
use waagent_common::root::Root;
use waagent_common::types::HandlerName;

use super::file::{self, StatusWord};
use super::heartbeat;
use super::read::{self, Counts, Good, Question};
use super::shrink::Parts;
use crate::crash_guard::Guard;
use crate::handler::manifest::Manifest;
use crate::handler::paths::HandlerPaths;

/// Puts reports together, and remembers the last good status of each extension as far as it was reported.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    last: HashMap<Key, Known>,
}

/// Where a report's facts are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// The machine.
    pub(crate) root: &'a Root,
    /// `Extension.LogDir`.
    pub(crate) logs: &'a str,
    /// Around work on handlers' files.
    pub(crate) guard: &'a Guard<'a>,
}

/// A handler and the sequence number of its settings.
type Key = (HandlerName, u32);

/// A good status as JSON, which takes the least memory, and which files counted then.
#[derive(Debug)]
struct Known {
    json: String,
    counts: Counts,
}

/// A report, and when it may change by time alone.
#[derive(Debug)]
pub(crate) struct Report {
    /// The document.
    pub(crate) body: ExtensionStatus,
    /// Look again then.
    pub(crate) again: Option<Duration>,
}

impl Reporter {
    /// The report on this goal state; without one, or where it wasn't begun, on what is known.
    pub(crate) fn report(
        &mut self,
        sources: &Sources<'_>,
        state: &ExtensionState,
        goal: Option<&GoalState>,
    ) -> Report {
        let run = state.goal_state_run.as_ref();
        let refused =
            |goal: &&GoalState| run.is_some_and(|run| run.goal_state_id == goal.id && run.items.is_empty());
        let newest = goal;
        let goal = goal.filter(|goal| goal.extensions.is_empty() || !refused(goal));
        let mut again = None;
        let mut parts = Parts::default();
        match goal {
            Some(goal) => {
                let mut good = Vec::new();
                for extension in &goal.extensions {
                    let counts = counts(state, goal, &extension.name);
                    let entry = self.entry(sources, state, extension, &counts, &mut again);
                    let Some((part, own)) = entry else { continue };
                    let index = parts.push(part);
                    good.extend(own.map(|key| (index, key, counts)));
                }
                let known = |(index, key, counts)| {
                    Some((key, Known { json: parts.status(index)?.to_string(), counts }))
                };
                self.last = good.into_iter().filter_map(known).collect();
            }
            None => {
                for record in &state.handlers {
                    parts.push(handler_part(record, &record.status));
                }
            }
        }
        let body = ExtensionStatus {
            goal_state_id: newest.map(|goal| goal.id.clone()),
            complete: run
                .is_some_and(|run| run.complete && newest.is_some_and(|g| g.id == run.goal_state_id)),
            handlers: parts.into_handlers(),
            goal_state_aggregate: state.aggregate.clone(),
            left_over: state.left_over.clone(),
        };
        Report { body, again }
    }

    /// The status word that an extension reports itself; a missing or half-written file is no last word.
    pub(crate) fn word(&self, guard: &Guard<'_>, home: &HandlerPaths, number: u32) -> StatusWord {
        let last = self.last(&(home.name.clone(), number));
        let asked = Question { number, counts: &Counts::Any, failure: None, last: last.as_ref() };
        let reading = read::read(home, asked, guard);
        file::word_of(&reading.status).unwrap_or(StatusWord::Error)
    }

    fn last(&self, key: &Key) -> Option<Good> {
        let known = self.last.get(key)?;
        Some(Good { status: serde_json::from_str(&known.json).ok()?, counts: known.counts.clone() })
    }

    /// The part of an extension; with its key where its status is its own, of now or of before.
    fn entry(
        &self,
        sources: &Sources<'_>,
        state: &ExtensionState,
        extension: &Extension,
        counts: &Counts,
        again: &mut Option<Duration>,
    ) -> Option<(Value, Option<Key>)> {
        let record = record_of(state, &extension.name)?;
        let home = HandlerPaths::new(sources.root, sources.logs, &record.name, &record.version);
        let mut status = record.status.clone();
        if record.state == HandlerState::Enabled
            && record.status.status == HandlerReadiness::Ready
            && Manifest::read(&home, sources.guard).is_ok_and(|manifest| manifest.reports_heartbeat())
        {
            let (seen, later) = heartbeat::look(&home, &status, record.enabled_at_s, sources.guard);
            status = seen;
            sooner(again, later);
        }
        let mut entry = handler_part(record, &status);
        let mut good = None;
        let target_state = extension.state.target_state();
        let wanted = target_state == Some(TargetState::Enabled)
            || (record.failure.is_some() && target_state != Some(TargetState::Uninstall));
        if let Some(settings) = extension.settings.first()
            && (wanted || record.state != HandlerState::NotInstalled)
        {
            let number = settings.sequence_number;
            let key = (record.name.clone(), number);
            let last = self.last(&key);
            let failure = record.failure.as_ref();
            let asked = Question { number, counts, failure, last: last.as_ref() };
            let reading = read::read(&home, asked, sources.guard);
            sooner(again, reading.again);
            good = reading.own.then_some(key);
            let part = json!({
                "sequenceNumber": number,
                "settingsStatus": {"version": 1.0, "status": reading.status},
            });
            put(&mut entry, "runtimeSettingsStatus", part);
        }
        Some((entry, good))
    }
}

/// Which status file of an extension says something about this goal state.
///
/// While its run is open, that is what came after its enable command was handed over. One that isn't begun is open
/// too, unless it never will be.
fn counts(state: &ExtensionState, goal: &GoalState, name: &HandlerName) -> Counts {
    let is = |other: &HandlerName| other.as_str().eq_ignore_ascii_case(name.as_str());
    let run = state.goal_state_run.as_ref();
    let Some(run) = run.filter(|r| r.goal_state_id == goal.id && r.created_on == goal.created_on) else {
        return if goal.outdated { Counts::Any } else { Counts::None };
    };
    if !run.items.iter().any(|item| is(&item.name) && item.state == ItemState::Open) {
        return Counts::Any;
    }
    let command = state.command.as_ref().filter(|command| {
        command.kind == CommandKind::Enable && is(&command.name) && command.goal_state_id == run.goal_state_id
    });
    command.and_then(|command| command.status_before.clone()).map_or(Counts::None, Counts::AnyBut)
}

/// The record of a handler, whatever the case of its name.
pub(crate) fn record_of<'a>(state: &'a ExtensionState, name: &HandlerName) -> Option<&'a HandlerRecord> {
    state.handlers.iter().find(|record| record.name.as_str().eq_ignore_ascii_case(name.as_str()))
}

fn handler_part(record: &HandlerRecord, status: &HandlerStatus) -> Value {
    let mut part = json!({
        "handlerVersion": record.version.as_str(),
        "handlerName": record.name.as_str(),
        "status": status.status,
        "code": status.code,
        "useExactVersion": true,
    });
    if !status.message.is_empty() {
        put(&mut part, "formattedMessage", json!({"lang": "en-US", "message": status.message}));
    }
    part
}

fn put(object: &mut Value, name: &str, member: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), member);
    }
}

fn sooner(again: &mut Option<Duration>, other: Option<Duration>) {
    *again = match (*again, other) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    };
}
