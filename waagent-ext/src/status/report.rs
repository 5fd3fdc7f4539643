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

use super::{heartbeat, read, shrink};
use crate::handler::home::Home;
use crate::handler::manifest::Manifest;

/// Puts reports together, and remembers the last good status of each extension.
#[derive(Debug, Default)]
pub struct Reporter {
    last: HashMap<(HandlerName, u32), Value>,
}

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
        let mut handlers = Vec::new();
        match goal {
            Some(goal) => {
                for extension in &goal.extensions {
                    handlers.extend(self.entry(place, logs, state, extension, &mut again));
                }
            }
            None => handlers.extend(state.handlers.iter().map(|record| handler_part(record, &record.status))),
        }
        shrink::within_bound(&mut handlers);
        let body = ExtensionStatus {
            goal_state_id: newest.map(|goal| goal.id.clone()),
            complete: round
                .is_some_and(|round| round.complete && newest.is_some_and(|g| g.id == round.goal_state_id)),
            handlers,
            goal_state_aggregate: state.aggregate.clone(),
            left_over: state.left_over.clone(),
        };
        Report { body, again }
    }

    /// The status word that an extension reports itself; a missing or half-written file is no last word.
    pub fn word(&self, home: &Home, number: u32) -> String {
        let last = self.last.get(&(home.name.clone(), number));
        let reading = read::read(home, number, None, last);
        let word = reading.status.get("status").and_then(Value::as_str).unwrap_or("error");
        word.to_owned()
    }

    fn entry(
        &mut self,
        place: &Place,
        logs: &str,
        state: &ExtensionState,
        extension: &Extension,
        again: &mut Option<Duration>,
    ) -> Option<Value> {
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
        let wanted = extension.state.eq_ignore_ascii_case("enabled")
            || (record.failure.is_some() && !extension.state.eq_ignore_ascii_case("uninstall"));
        if let Some(settings) = extension.settings.first()
            && (wanted || record.state != HandlerState::NotInstalled)
        {
            let number = settings.sequence_number;
            let key = (record.name.clone(), number);
            let reading = read::read(&home, number, record.failure.as_ref(), self.last.get(&key));
            sooner(again, reading.again);
            if reading.genuine {
                self.last.insert(key, reading.status.clone());
            }
            let part = json!({
                "sequenceNumber": number,
                "settingsStatus": {"version": 1.0, "status": reading.status},
            });
            put(&mut entry, "runtimeSettingsStatus", part);
        }
        Some(entry)
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
