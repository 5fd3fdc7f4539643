//! The whole status within its bound: the biggest extension gives first.

use serde_json::Value;
use waagent_common::json;
use waagent_common::text::cut;

/// What the extensions' part of the status may take as JSON, in bytes. The document's bound is 960 KiB, its envelope
/// and indentation included.
const MAX: usize = 640 << 10;
/// What a value counts at least, so that what is many and small is bounded too.
const VALUE: usize = 24;
/// Texts of substatuses, in the first round of shortening; other texts in later ones.
const MESSAGE: usize = 1024;
const SHORT: usize = 128;

/// The parts of the status, within its bound at any time: what an extension writes is cut where it is gathered.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    parts: Vec<Part>,
    size: usize,
}

#[derive(Debug)]
struct Part {
    handler: Value,
    size: usize,
    /// How many of the steps it has taken.
    given: usize,
}

/// What is given up, one after the other. 256 extensions fit when all have given all.
const STEPS: [fn(&mut Value); 4] = [
    shorten_substatuses,
    drop_substatuses,
    |handler| shorten_texts(handler, MESSAGE),
    |handler| shorten_texts(handler, SHORT),
];

impl Parts {
    /// Adds an extension's part, and gives its number. What is too much is shortened in the largest first: messages of substatuses, then the
    /// lists of substatuses, then all texts.
    pub(crate) fn push(&mut self, handler: Value) -> usize {
        let size = size(&handler);
        self.size += size;
        self.parts.push(Part { handler, size, given: 0 });
        for (number, step) in STEPS.iter().enumerate() {
            while self.size > MAX {
                let giving = self.parts.iter_mut().filter(|part| part.given <= number);
                let Some(largest) = giving.max_by_key(|part| part.size) else { break };
                self.size -= largest.shrink(number, *step);
            }
        }
        self.parts.len() - 1
    }

    /// The `status` of an extension, as it is now.
    pub(crate) fn status(&self, index: usize) -> Option<&Value> {
        self.parts.get(index)?.handler.pointer(STATUS)
    }

    /// All of them.
    pub(crate) fn into_handlers(self) -> Vec<Value> {
        self.parts.into_iter().map(|part| part.handler).collect()
    }
}

impl Part {
    /// Says how much smaller it is.
    fn shrink(&mut self, number: usize, step: fn(&mut Value)) -> usize {
        step(&mut self.handler);
        self.given = number + 1;
        let before = self.size;
        self.size = size(&self.handler).min(before);
        before - self.size
    }
}

fn size(value: &Value) -> usize {
    json::length(value).max(json::values(value).saturating_mul(VALUE))
}

fn shorten_substatuses(handler: &mut Value) {
    let substatuses = handler.pointer_mut(STATUS).and_then(|status| status.get_mut("substatus"));
    let Some(Value::Array(substatuses)) = substatuses else { return };
    for substatus in substatuses {
        if let Some(Value::String(text)) = substatus.pointer_mut("/formattedMessage/message") {
            *text = cut(text, MESSAGE).to_owned();
        }
    }
}

fn drop_substatuses(handler: &mut Value) {
    if let Some(Value::Object(status)) = handler.pointer_mut(STATUS) {
        status.remove("substatus");
    }
}

fn shorten_texts(handler: &mut Value, most: usize) {
    let own = ["/formattedMessage/message", "/operation", "/configurationAppliedTime", "/code"];
    let paths = own.iter().map(|path| format!("{STATUS}{path}"));
    for path in paths.chain(["/formattedMessage/message".to_owned()]) {
        if let Some(Value::String(text)) = handler.pointer_mut(&path) {
            *text = cut(text, most).to_owned();
        }
    }
}

const STATUS: &str = "/runtimeSettingsStatus/settingsStatus/status";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `text` is everywhere but in the extension's own message.
    fn part(name: &str, text: &str, message: &str, substatuses: &Value) -> Value {
        json!({
            "handlerVersion": "1.0", "handlerName": name, "status": "NotReady", "code": -1, "useExactVersion": true,
            "formattedMessage": {"lang": "en-US", "message": text},
            "runtimeSettingsStatus": {"sequenceNumber": 1, "settingsStatus": {"version": 1.0, "status": {
                "name": name, "operation": text, "configurationAppliedTime": text, "status": "error", "code": text,
                "formattedMessage": {"lang": "en-US", "message": message}, "substatus": substatuses,
            }}},
        })
    }

    fn pushed(all: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let mut parts = Parts::default();
        for one in all {
            parts.push(one);
            assert!(parts.parts.iter().map(|part| json::length(&part.handler)).sum::<usize>() <= MAX);
        }
        parts.into_handlers()
    }

    #[test]
    fn the_largest_gives_first_and_a_new_error_is_told_whole() {
        let long = "x".repeat(140_000);
        let mut all: Vec<Value> = (0..5).map(|n| part(&format!("Big{n}"), "", &long, &json!([]))).collect();
        all.push(part("New", "it failed", "so", &json!([{"status": "error"}])));
        let handlers = pushed(all.clone());
        assert_eq!(handlers.last(), all.last());
        let message = format!("{STATUS}/formattedMessage/message");
        let whole =
            handlers.iter().filter(|handler| handler.pointer(&message) == Some(&long.as_str().into()));
        assert_eq!(whole.count(), 4);
    }

    #[test]
    fn as_many_as_a_goal_state_can_have_fit_with_all_their_texts() {
        let long = "\"".repeat(10_000);
        let name = "n".repeat(180);
        let handlers = pushed(
            (0..256).map(|_| part(&name, &long, &long, &json!([{"status": "error", "message": "\\"}]))),
        );
        assert_eq!(handlers.len(), 256);
        assert!(handlers.iter().all(|handler| handler["handlerName"] == *name));
    }

    #[test]
    fn what_is_many_and_small_is_given_up_too() {
        let substatuses: Vec<Value> = (0..6_000).map(|_| json!({"a": 0, "b": 0})).collect();
        let handlers = pushed((0..3).map(|_| part("Many", "", "", &substatuses.clone().into())));
        let left =
            handlers.iter().filter(|handler| handler.pointer(STATUS).unwrap().get("substatus").is_some());
        assert_eq!(left.count(), 1);
    }
}
