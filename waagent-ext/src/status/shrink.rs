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
pub struct Parts {
    handlers: Vec<Value>,
    sizes: Vec<usize>,
}

/// What is given up, one after the other. 256 extensions fit when all have given all.
const STEPS: [fn(&mut Value); 4] = [
    shorten_substatuses,
    drop_substatuses,
    |handler| shorten_texts(handler, MESSAGE),
    |handler| shorten_texts(handler, SHORT),
];

impl Parts {
    /// Adds an extension's part. What is too much is shortened in the largest first: messages of substatuses, then the
    /// lists of substatuses, then all texts.
    pub fn push(&mut self, handler: Value) {
        self.sizes.push(size(&handler));
        self.handlers.push(handler);
        for step in STEPS {
            let mut order: Vec<usize> = (0..self.handlers.len()).collect();
            order.sort_by_key(|index| std::cmp::Reverse(self.sizes.get(*index).copied()));
            for index in order {
                if self.sizes.iter().sum::<usize>() <= MAX {
                    return;
                }
                if let (Some(handler), Some(size_of)) =
                    (self.handlers.get_mut(index), self.sizes.get_mut(index))
                {
                    step(handler);
                    *size_of = size(handler);
                }
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.handlers.len()
    }

    /// The `status` of an extension, as it is now.
    pub fn status(&self, index: usize) -> Option<&Value> {
        self.handlers.get(index)?.pointer(STATUS)
    }

    /// All of them.
    pub fn into_handlers(self) -> Vec<Value> {
        self.handlers
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
