//! Documents in words, one line each. What a document doesn't say is left out, never guessed.

use serde_json::Value;

/// What a document says to a person.
#[derive(Debug, Default)]
pub struct Words {
    /// Lines.
    pub results: Vec<String>,
    /// Does it tell of a failure?
    pub failed: bool,
    /// What its program waits for.
    pub waits_for: Vec<String>,
}

fn one(line: String) -> Words {
    Words { results: vec![line], ..Words::default() }
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body.get(field).and_then(Value::as_str).unwrap_or("-")
}

fn list<'a>(body: &'a Value, field: &str) -> &'a [Value] {
    body.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn endpoint(body: &Value) -> Words {
    one(format!("wireserver {} ({})", text(body, "address"), text(body, "source")))
}

pub(super) fn firewall(body: &Value) -> Words {
    one(format!("firewall {} ({})", text(body, "state"), text(body, "backend")))
}

pub(super) fn media(body: &Value) -> Words {
    let reason =
        body.get("reason").and_then(Value::as_str).map_or_else(String::new, |why| format!(": {why}"));
    one(format!("medium {}{reason}", text(body, "state")))
}

pub(super) fn provision(body: &Value) -> Words {
    let user = body.get("user").map_or("-", |user| text(user, "name"));
    let line = format!(
        "provisioning {} by {}: host name {}, user {user}",
        text(body, "outcome"),
        text(body, "agent"),
        text(body, "hostname")
    );
    let mut words = one(line);
    for error in list(body, "errors") {
        words.results.push(format!("{}: {}", text(error, "step"), text(error, "text")));
    }
    words.failed = text(body, "state") == "failed";
    words.waits_for =
        list(body, "waits_for").iter().filter_map(|what| what.as_str().map(str::to_owned)).collect();
    words
}

pub(super) fn disk(body: &Value) -> Words {
    let device = body.get("device").map_or("-", |device| text(device, "name"));
    let mut words =
        one(format!("resource disk {} ({device} at {})", text(body, "state"), text(body, "mount_point")));
    if let Some(swap) = body.get("swap").filter(|swap| swap.is_object()) {
        words.results.push(format!("swap {} ({})", text(swap, "state"), text(swap, "path")));
    }
    words.failed = matches!(text(body, "state"), "failed" | "damaged");
    words
}

pub(super) fn transport(body: &Value) -> Words {
    one(format!("transport key {}, valid to {}", text(body, "thumbprint"), text(body, "not_after")))
}

pub(super) fn certificates(body: &Value) -> Words {
    let rows = list(body, "certificates");
    let keys = rows.iter().filter(|row| row.get("has_private_key") == Some(&Value::Bool(true))).count();
    let mut words = one(format!("{} certificates, {keys} with a private key", rows.len()));
    for error in list(body, "errors") {
        words.results.push(error.as_str().unwrap_or("-").to_owned());
        words.failed = true;
    }
    words
}

pub(super) fn goal_state(body: &Value) -> Words {
    let extensions = list(body, "extensions").len();
    one(format!("goal state {} ({}), {extensions} extensions", text(body, "id"), text(body, "source")))
}

pub(super) fn health(body: &Value) -> Words {
    one(format!("told the platform: {}", text(body, "state")))
}

pub(super) fn fetch(body: &Value) -> Words {
    one(format!("platform {}", text(body, "state")))
}

pub(super) fn extensions(body: &Value) -> Words {
    let mut words = Words::default();
    for handler in list(body, "handlers") {
        words.results.push(handler_line(handler));
        words.failed |= text(handler, "status") == "NotReady";
    }
    let id = text(body, "goal_state_id");
    let complete = body.get("complete") == Some(&Value::Bool(true));
    if id == "-" {
        words.waits_for.push("a goal state".to_owned());
    } else if complete {
        words.results.insert(0, format!("through with {id}"));
    } else {
        words.waits_for.push(format!("the extensions of {id}"));
    }
    words
}

fn handler_line(handler: &Value) -> String {
    let status =
        handler.pointer("/runtimeSettingsStatus/settingsStatus/status/status").and_then(Value::as_str);
    format!(
        "{} {}: {}{}",
        text(handler, "handlerName"),
        text(handler, "handlerVersion"),
        text(handler, "status"),
        status.map_or_else(String::new, |status| format!(", {status}"))
    )
}

pub(super) fn failure(body: &Value) -> String {
    let status = body.get("exit_status").map_or_else(|| "-".to_owned(), Value::to_string);
    format!("{} {status}", text(body, "result"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_failed_and_what_is_waited_for() {
        let body = serde_json::json!({"state": "failed", "outcome": "failed", "agent": "waagent",
            "errors": [{"step": "user", "reason": "x", "text": "no such shell"}], "waits_for": ["certificate AB"]});
        let words = provision(&body);
        assert!(words.failed);
        assert_eq!(words.waits_for, ["certificate AB"]);
        assert!(words.results.iter().any(|line| line == "user: no such shell"));
    }

    #[test]
    fn survives_bodies_of_any_shape() {
        for body in
            [Value::Null, serde_json::json!([]), serde_json::json!({"handlers": 3, "errors": {"a": 1}})]
        {
            for summary in
                [endpoint, firewall, media, provision, disk, transport, certificates, goal_state, health]
            {
                summary(&body);
            }
            assert!(!extensions(&body).waits_for.is_empty());
        }
    }
}
