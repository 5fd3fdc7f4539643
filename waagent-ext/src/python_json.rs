//! JSON in the bytes that Python's `json.dumps` makes: one line, `", "` and `": "` between, ASCII only.
//!
//! Published handlers cut values out of these files by text patterns (the shell shims of Custom Script and VMSnapshot
//! look for `logFolder": "`), so the bytes are part of the contract.

use std::fmt::Write;

use serde_json::Value;

/// A value as Python writes it. Member order and number texts are kept.
pub fn dumps(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// Depth is bounded by the parser that made the value (128 levels, `serde_json`).
fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                string(out, name);
                out.push_str(": ");
                write(out, member);
            }
            out.push('}');
        }
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing into a string can't fail.
                    let _infallible = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_python_writes() {
        let text =
            r#"{"b":[1,1.50,18446744073709551616,true,null,{}],"a":"\u00e9\ud83d\ude00\"\\/\b\u007f"}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(
            dumps(&value),
            r#"{"b": [1, 1.50, 18446744073709551616, true, null, {}], "a": "\u00e9\ud83d\ude00\"\\/\b\u007f"}"#
        );
    }
}
