//! The whole status within its bound: the biggest extension gives first.

use serde_json::Value;
use waagent_common::text::cut;

/// What the extensions' part of the status may take as JSON, in bytes. The document's bound is 960 KiB, its envelope
/// and indentation included.
const MAX: usize = 640 << 10;
/// Texts of substatuses, in the first round of shortening.
const MESSAGE: usize = 1024;

/// Shortens substatus messages, then drops substatus lists, the largest extension first. Nothing else is touched.
/// Says whether anything was.
pub fn within_bound(handlers: &mut [Value]) -> bool {
    let mut sizes: Vec<usize> = handlers.iter().map(size).collect();
    let mut shortened = false;
    for shrink in [shorten_substatuses, drop_substatuses] {
        let mut order: Vec<usize> = (0..handlers.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(sizes.get(*index).copied()));
        for index in order {
            if sizes.iter().sum::<usize>() <= MAX {
                return shortened;
            }
            if let (Some(handler), Some(size_of)) = (handlers.get_mut(index), sizes.get_mut(index)) {
                shrink(handler);
                *size_of = size(handler);
                shortened = true;
            }
        }
    }
    shortened
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

fn status(handler: &mut Value) -> Option<&mut Value> {
    handler.pointer_mut("/runtimeSettingsStatus/settingsStatus/status")
}

fn shorten_substatuses(handler: &mut Value) {
    let Some(Value::Array(substatuses)) = status(handler).and_then(|status| status.get_mut("substatus"))
    else {
        return;
    };
    for substatus in substatuses {
        if let Some(Value::String(text)) = substatus.pointer_mut("/formattedMessage/message") {
            *text = cut(text, MESSAGE).to_owned();
        }
    }
}

fn drop_substatuses(handler: &mut Value) {
    if let Some(Value::Object(status)) = status(handler) {
        status.remove("substatus");
    }
}
