//! JSON in the bytes that Python's `json.dumps` makes: one line, `", "` and `": "` between, ASCII only.
//!
//! Published handlers cut values out of these files by text patterns (the shell shims of Custom Script and VMSnapshot
//! look for `logFolder": "`), so the bytes are part of the contract.

use std::fmt::Write;

use serde_json::Value;

/// A value as Python writes it. Member order and number texts are kept.
pub(crate) fn dumps(value: &Value) -> String {
    let mut out = String::new();
    respell(&mut out, &value.to_string());
    out
}

/// Adds a text that is JSON, token by token: nothing is made of it but its other spelling.
pub(crate) fn respell(out: &mut String, json: &str) {
    let mut rest = json;
    while let Some(token) = rest.chars().next() {
        let length = if token == '"' { length_of_string(rest) } else { token.len_utf8() };
        let (this, next) = rest.split_at_checked(length).unwrap_or((rest, ""));
        match token {
            // What is JSON has no string that can't be read.
            '"' => string(out, &serde_json::from_str::<String>(this).unwrap_or_default()),
            ',' => out.push_str(", "),
            ':' => out.push_str(": "),
            ' ' | '\t' | '\n' | '\r' => {}
            other => out.push(other),
        }
        rest = next;
    }
}

/// With its quotes.
fn length_of_string(json: &str) -> usize {
    let mut escaped = false;
    let end = json.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

/// Adds a text as a JSON string.
pub(crate) fn string(out: &mut String, text: &str) {
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
        let mut out = String::new();
        respell(&mut out, &text.replace(',', " ,\n"));
        assert_eq!(out, dumps(&value));
        assert_eq!(
            dumps(&value),
            r#"{"b": [1, 1.50, 18446744073709551616, true, null, {}], "a": "\u00e9\ud83d\ude00\"\\/\b\u007f"}"#
        );
    }
}
