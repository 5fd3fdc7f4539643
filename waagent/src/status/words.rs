//! Documents in words, one line each. What a document doesn't say is left out, never guessed.

use serde::Deserialize;
use serde_json::Value;
use waagent_common::documents::{
    Body, Certificates, DiskState, Endpoint, ExtensionStatus, Failed, FetchStatus, Firewall, GoalState,
    HandlerReadiness, Health, Media, ProvisionState, ProvisionStatus, ResourceDisk, Transport,
};
use waagent_common::text::counted;

/// What a document says to a person.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Lines.
    pub(super) results: Vec<String>,
    /// Does it tell of a failure?
    pub(super) failed: bool,
    /// What its program waits for.
    pub(super) waits_for: Vec<String>,
}

/// A document that is shown.
pub(super) trait Shown: Body {
    /// In words.
    fn words(&self) -> Words;
}

fn one(line: String) -> Words {
    Words { results: vec![line], ..Words::default() }
}

fn or_dash(text: Option<&String>) -> &str {
    text.map_or("-", String::as_str)
}

impl Shown for Endpoint {
    fn words(&self) -> Words {
        one(format!("wireserver {} ({})", self.address, self.source))
    }
}

impl Shown for Firewall {
    fn words(&self) -> Words {
        one(format!("firewall {} ({})", self.state, self.backend))
    }
}

impl Shown for Media {
    fn words(&self) -> Words {
        let reason = self.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        one(format!("medium {}{reason}", self.state))
    }
}

impl Shown for ProvisionStatus {
    fn words(&self) -> Words {
        let mut words = one(format!(
            "provisioning {} by {}: host name {}, user {}",
            self.outcome,
            self.agent,
            or_dash(self.hostname.as_ref()),
            or_dash(self.user.as_ref().map(|user| &user.name))
        ));
        words.results.extend(self.errors.iter().map(|error| format!("{}: {}", error.step, error.text)));
        words.failed = self.state == ProvisionState::Failed;
        words.waits_for.clone_from(&self.waits_for);
        words
    }
}

impl Shown for ResourceDisk {
    fn words(&self) -> Words {
        let mut words = one(format!(
            "resource disk {} ({} at {})",
            self.state,
            or_dash(self.device.as_ref().map(|device| &device.name)),
            or_dash(self.mount_point.as_ref())
        ));
        words.results.extend(self.swap.iter().map(|swap| format!("swap {} ({})", swap.state, swap.path)));
        words.failed = matches!(self.state, DiskState::Failed | DiskState::Damaged);
        words
    }
}

impl Shown for Transport {
    fn words(&self) -> Words {
        one(format!("transport key {}, valid to {}", self.thumbprint, self.not_after))
    }
}

impl Shown for Certificates {
    fn words(&self) -> Words {
        let keys = self.certificates.iter().filter(|row| row.has_private_key).count();
        let mut words = one(format!("{} certificates, {keys} with a private key", self.certificates.len()));
        words.results.extend_from_slice(&self.errors);
        words.failed = !self.errors.is_empty();
        words
    }
}

impl Shown for GoalState {
    fn words(&self) -> Words {
        one(format!(
            "goal state {} ({}), {}",
            self.id,
            self.source,
            counted(self.extensions.len(), "extension")
        ))
    }
}

impl Shown for Health {
    fn words(&self) -> Words {
        one(format!("told the platform: {}", self.state))
    }
}

impl Shown for FetchStatus {
    fn words(&self) -> Words {
        one(format!("platform {}", self.state))
    }
}

impl Shown for ExtensionStatus {
    fn words(&self) -> Words {
        let mut words = Words::default();
        for handler in &self.handlers {
            match Handler::deserialize(handler) {
                Ok(handler) => {
                    words.results.push(handler.line());
                    words.failed |= handler.status == HandlerReadiness::NotReady;
                }
                Err(error) => words.results.push(format!("a handler that can't be shown: {error}")),
            }
        }
        match &self.goal_state_id {
            None => words.waits_for.push("a goal state".to_owned()),
            Some(id) if self.complete => words.results.insert(0, format!("finished {id}")),
            Some(id) => words.waits_for.push(format!("the extensions of {id}")),
        }
        words
    }
}

/// What is shown of an entry of the platform's `handlerAggregateStatus`.
#[derive(Debug, Deserialize)]
struct Handler {
    #[serde(rename = "handlerName")]
    name: String,
    #[serde(rename = "handlerVersion")]
    version: String,
    status: HandlerReadiness,
    #[serde(rename = "runtimeSettingsStatus", default)]
    settings_status: Value,
}

impl Handler {
    fn line(&self) -> String {
        let own = self.settings_status.pointer("/settingsStatus/status/status");
        let own = own.and_then(Value::as_str).map_or_else(String::new, |word| format!(", {word}"));
        format!("{} {}: {}{own}", self.name, self.version, self.status)
    }
}

/// How a unit failed that left no document of its own.
pub(super) fn failure(failed: &Failed) -> String {
    format!("{} {}", failed.result, failed.exit_status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<T: Shown>(body: Value) -> Words {
        serde_json::from_value::<T>(body).unwrap().words()
    }

    #[test]
    fn names_what_failed_and_what_is_waited_for() {
        let words = words::<ProvisionStatus>(serde_json::json!({
            "state": "failed", "description": "", "vm_id": "", "ssh_host_key_fingerprint": null, "outcome": "failed",
            "agent": "waagent", "instance_id": "", "reason": "failure to create user",
            "errors": [{"step": "user", "reason": "failure to create user", "text": "no such shell"}],
            "steps": [], "host_keys": [], "hostname": null, "user": null, "warnings": [],
            "waits_for": ["certificate AB"], "uptime_s": 1
        }));
        assert!(words.failed);
        assert_eq!(words.waits_for, ["certificate AB"]);
        assert_eq!(
            words.results,
            ["provisioning failed by waagent: host name -, user -", "user: no such shell"]
        );
    }

    #[test]
    fn an_extension_is_shown_with_its_own_word_and_an_entry_of_another_shape_is_named() {
        let status = |status: &str| {
            words::<ExtensionStatus>(serde_json::json!({
                "goal_state_id": "incarnation_1", "complete": true, "goal_state_aggregate": null, "left_over": [],
                "handlers": [3, {"handlerName": "A.B", "handlerVersion": "1.0", "status": status, "code": 0,
                    "runtimeSettingsStatus": {"settingsStatus": {"status": {"status": "success"}}}}],
            }))
        };
        let good = status("Ready");
        assert_eq!(good.results[0], "finished incarnation_1");
        assert!(
            good.results[1].starts_with("a handler that can't be shown: invalid type"),
            "{:?}",
            good.results
        );
        assert_eq!(good.results[2], "A.B 1.0: Ready, success");
        assert!(!good.failed && status("NotReady").failed);
    }
}
