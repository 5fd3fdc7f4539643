//! The text of the status blob, from what the documents say.

use serde::Serialize;
use serde_json::{Map, Value, json};
use waagent_common::AGENT_VERSION;
use waagent_common::documents::{AgentFamily, Extension, ProvisionState, ProvisionStatus};
use waagent_common::fault::{Exit, Fault};
use waagent_common::secret::redact_uris;
use waagent_common::text::cut;

use super::os::Os;

/// What the status is made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Handlers and instances, ready to embed but for their times.
    pub(crate) handlers: Vec<Value>,
    /// The goal state's own entry.
    pub(crate) goal_state: Option<Value>,
    /// How the agent is.
    pub(crate) agent: Agent,
    /// What the platform asked about our version.
    pub(crate) update: Option<Update>,
    /// Does the host offer Fast Track?
    pub(crate) fast_track: bool,
    /// Host name.
    pub(crate) computer: String,
}

/// How the agent is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Agent {
    /// Provisioned, or none of our affair.
    #[default]
    Ready,
    /// Not yet, or not at all: the text says which.
    NotReady(String),
}

impl Agent {
    /// By the provisioning document; without one, provisioning is somebody else's affair.
    pub(crate) fn of(provisioning: Option<&ProvisionStatus>) -> Self {
        match provisioning.map(|status| (status.state, status.description.as_str())) {
            None | Some((ProvisionState::Ready, _)) => Self::Ready,
            Some((ProvisionState::Provisioning, _)) => {
                Self::NotReady("Provisioning is in progress".to_owned())
            }
            Some((ProvisionState::Failed, why)) => {
                Self::NotReady(format!("Provisioning failed: {}", cut(&redact_uris(why), MAX_WHY)))
            }
        }
    }
}

/// The answer to a platform that wants to choose the agent's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Update {
    /// It asks for nothing, or for what runs.
    Done,
    /// It asks for another version: the text says why not.
    Refused(String),
}

impl Update {
    /// By the family that the configuration names. Nothing where the platform doesn't choose versions.
    pub(crate) fn of(families: &[AgentFamily], family: &str) -> Option<Self> {
        let family = families.iter().find(|known| known.name == family)?;
        if family.is_vm_enabled_for_rsm_upgrades != Some(true) {
            return None;
        }
        match &family.version {
            Some(version) if family.is_version_from_rsm == Some(true) && version != AGENT_VERSION => {
                Some(Self::Refused(format!(
                    "RSM asked for version {}; this agent is updated by the package manager of the distribution \
                     (running {AGENT_VERSION})",
                    cut(version, 64)
                )))
            }
            _ => Some(Self::Done),
        }
    }
}

/// The entries of a goal state that waagent-ext doesn't take over: it has stopped, or never began.
pub(crate) fn unanswered(extensions: &[Extension]) -> Vec<Value> {
    let entry = |extension: &Extension| {
        json!({
            "handlerVersion": extension.version, "handlerName": extension.name, "status": "NotReady", "code": -1,
            "useExactVersion": true, "formattedMessage": message("extension processing doesn't answer"),
        })
    };
    extensions.iter().map(entry).collect()
}

/// The text, at most 1 MiB, with `stamp` in each place that says "now".
///
/// An error is a fault of our own: JSON that can't be written.
pub(crate) fn render(facts: &mut Facts, os: &Os, stamp: &str) -> Result<Vec<u8>, Fault> {
    for handler in &mut facts.handlers {
        redact(handler);
        if let Some(settings) = handler.pointer_mut("/runtimeSettingsStatus/settingsStatus")
            && let Some(settings) = settings.as_object_mut()
        {
            settings.insert("timestampUTC".to_owned(), stamp.into());
        }
    }
    if let Some(status) = &mut facts.goal_state {
        redact(status);
    }
    let ours = |why: String| Fault::new(Exit::Software, why);
    loop {
        let bytes = serde_json::to_vec(&frame(facts, os, stamp)).map_err(|error| ours(error.to_string()))?;
        if bytes.len() <= MAX_BYTES {
            return Ok(bytes);
        }
        if !shorten(&mut facts.handlers, bytes.len() - MAX_BYTES) {
            return Err(ours(format!("{} bytes, more than the {MAX_BYTES} allowed", bytes.len())));
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    version: &'static str,
    #[serde(rename = "timestampUTC")]
    timestamp_utc: &'a str,
    aggregate_status: Aggregate<'a>,
    #[serde(rename = "guestOSInfo")]
    guest_os_info: Value,
    supported_features: Vec<Value>,
}

#[derive(Serialize)]
struct Aggregate<'a> {
    #[serde(rename = "guestAgentStatus")]
    agent: Value,
    #[serde(rename = "handlerAggregateStatus")]
    handlers: &'a [Value],
    #[serde(rename = "vmArtifactsAggregateStatus", skip_serializing_if = "Option::is_none")]
    artifacts: Option<Value>,
}

fn frame<'a>(facts: &'a Facts, os: &Os, stamp: &'a str) -> Frame<'a> {
    let (status, text) = match &facts.agent {
        Agent::Ready => ("Ready", "Guest Agent is running"),
        Agent::NotReady(why) => ("NotReady", why.as_str()),
    };
    let mut agent = Map::new();
    agent.insert("version".to_owned(), AGENT_VERSION.into());
    agent.insert("status".to_owned(), status.into());
    agent.insert("formattedMessage".to_owned(), message(text));
    if let Some(update) = &facts.update {
        agent.insert("updateStatus".to_owned(), update_status(update));
    }
    let fast_track = json!({ "Key": "FastTrack", "Value": "1.0" });
    Frame {
        version: "1.1",
        timestamp_utc: stamp,
        aggregate_status: Aggregate {
            agent: agent.into(),
            handlers: &facts.handlers,
            artifacts: facts.goal_state.as_ref().map(|status| json!({ "goalStateAggregateStatus": status })),
        },
        guest_os_info: json!({
            "computerName": facts.computer, "osName": os.name, "osVersion": os.version, "version": AGENT_VERSION,
        }),
        supported_features: facts.fast_track.then_some(fast_track).into_iter().collect(),
    }
}

fn update_status(update: &Update) -> Value {
    let (status, code, text) = match update {
        Update::Done => ("Success", 0, ""),
        Update::Refused(why) => ("Error", 1, why.as_str()),
    };
    json!({ "expectedVersion": AGENT_VERSION, "status": status, "code": code, "formattedMessage": message(text) })
}

fn message(text: &str) -> Value {
    json!({ "lang": "en-US", "message": text })
}

/// Cuts the signatures out of all texts; the document has cut them already, but what leaves the machine is checked
/// where it leaves. The depth is that of the JSON parser, 128 at most.
fn redact(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("://") => *text = redact_uris(text),
        Value::Array(list) => list.iter_mut().for_each(redact),
        Value::Object(object) => object.values_mut().for_each(redact),
        _ => {}
    }
}

/// Takes the substatus away from the handler that has the most of it, and says so in its message.
fn shorten(handlers: &mut [Value], excess: usize) -> bool {
    let size = |handler: &Value| handler.pointer(SUBSTATUS).map_or(0, |list| list.to_string().len());
    let Some(largest) = handlers.iter_mut().max_by_key(|handler| size(handler)) else { return false };
    let Some(status) = largest.pointer_mut(STATUS).and_then(Value::as_object_mut) else { return false };
    if status.remove("substatus").is_none() {
        return false;
    }
    let note = format!("substatus left out: the status was {excess} bytes too large");
    let text = status.get("formattedMessage").and_then(|message| message.get("message"));
    let text = text.and_then(Value::as_str).unwrap_or_default();
    let noted = if text.is_empty() { note } else { format!("{text} [{note}]") };
    status.insert("formattedMessage".to_owned(), message(&noted));
    true
}

const STATUS: &str = "/runtimeSettingsStatus/settingsStatus/status";
const SUBSTATUS: &str = "/runtimeSettingsStatus/settingsStatus/status/substatus";
/// Largest status, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Longest description of a failure, in bytes.
const MAX_WHY: usize = 1024;

#[cfg(test)]
mod tests;
