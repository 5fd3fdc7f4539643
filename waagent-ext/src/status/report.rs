//! The document for the platform: an entry for each handler of the goal state, in its order.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use waagent_common::documents::{
    Extension, ExtensionState, ExtensionStatus, GoalState, HandlerReadiness, HandlerRecord, HandlerState,
    HandlerStatus,
};
use waagent_common::place::Place;
use waagent_common::types::HandlerName;

use super::shrink::Parts;
use super::{heartbeat, read};
use crate::handler::home::Home;
use crate::handler::manifest::Manifest;

/// Puts reports together, and remembers the last good status of each extension as far as it was reported.
#[derive(Debug, Default)]
pub struct Reporter {
    /// As JSON, which takes the least memory.
    last: HashMap<Key, String>,
}

/// A handler and the sequence number of its settings.
type Key = (HandlerName, u32);

/// A report, and when it may change by time alone.
#[derive(Debug)]
pub struct Report {
    /// The document.
    pub body: ExtensionStatus,
    /// Look again then.
    pub again: Option<Duration>,
}

impl Reporter {
    /// The report on this goal state; without one, or where it wasn't begun, on what is known.
    pub fn report(
        &mut self,
        place: &Place,
        logs: &str,
        state: &ExtensionState,
        goal: Option<&GoalState>,
    ) -> Report {
        let round = state.round.as_ref();
        let refused = |goal: &&GoalState| {
            round.is_some_and(|round| round.goal_state_id == goal.id && round.items.is_empty())
        };
        let newest = goal;
        let goal = goal.filter(|goal| goal.extensions.is_empty() || !refused(goal));
        let mut again = None;
        let mut parts = Parts::default();
        match goal {
            Some(goal) => {
                let mut good = Vec::new();
                for extension in &goal.extensions {
                    let Some((part, key)) = self.entry(place, logs, state, extension, &mut again) else {
                        continue;
                    };
                    let index = parts.push(part);
                    good.extend(key.map(|key| (index, key)));
                }
                let known = |(index, key)| Some((key, parts.status(index)?.to_string()));
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
            complete: round
                .is_some_and(|round| round.complete && newest.is_some_and(|g| g.id == round.goal_state_id)),
            handlers: parts.into_handlers(),
            goal_state_aggregate: state.aggregate.clone(),
            left_over: state.left_over.clone(),
        };
        Report { body, again }
    }

    /// The status word that an extension reports itself; a missing or half-written file is no last word.
    pub fn word(&self, home: &Home, number: u32) -> String {
        let last = self.last(&(home.name.clone(), number));
        let reading = read::read(home, number, None, last.as_ref());
        let word = reading.status.get("status").and_then(Value::as_str).unwrap_or("error");
        word.to_owned()
    }

    fn last(&self, key: &Key) -> Option<Value> {
        serde_json::from_str(self.last.get(key)?).ok()
    }

    /// The part of an extension; with its key where its status is a good one, of now or of before.
    fn entry(
        &self,
        place: &Place,
        logs: &str,
        state: &ExtensionState,
        extension: &Extension,
        again: &mut Option<Duration>,
    ) -> Option<(Value, Option<Key>)> {
        let record = record_of(state, &extension.name)?;
        let home = Home::new(place, logs, &record.name, &record.version);
        let mut status = record.status.clone();
        if record.state == HandlerState::Enabled
            && record.status.status == HandlerReadiness::Ready
            && Manifest::read(&home).is_ok_and(|manifest| manifest.reports_heartbeat())
        {
            let (seen, later) = heartbeat::look(&home, &status, record.enabled_at_s);
            status = seen;
            sooner(again, later);
        }
        let mut entry = handler_part(record, &status);
        let mut good = None;
        let wanted = extension.state.eq_ignore_ascii_case("enabled")
            || (record.failure.is_some() && !extension.state.eq_ignore_ascii_case("uninstall"));
        if let Some(settings) = extension.settings.first()
            && (wanted || record.state != HandlerState::NotInstalled)
        {
            let number = settings.sequence_number;
            let key = (record.name.clone(), number);
            let last = self.last(&key);
            let reading = read::read(&home, number, record.failure.as_ref(), last.as_ref());
            sooner(again, reading.again);
            if reading.genuine || (reading.again.is_some() && last.is_some()) {
                good = Some(key);
            }
            let part = json!({
                "sequenceNumber": number,
                "settingsStatus": {"version": 1.0, "status": reading.status},
            });
            put(&mut entry, "runtimeSettingsStatus", part);
        }
        Some((entry, good))
    }
}

/// The record of a handler, whatever the case of its name.
pub fn record_of<'a>(state: &'a ExtensionState, name: &HandlerName) -> Option<&'a HandlerRecord> {
    state.handlers.iter().find(|record| record.name.as_str().eq_ignore_ascii_case(name.as_str()))
}

fn handler_part(record: &HandlerRecord, status: &HandlerStatus) -> Value {
    let mut part = json!({
        "handlerVersion": record.version.as_str(),
        "handlerName": record.name.as_str(),
        "status": format!("{:?}", status.status),
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
