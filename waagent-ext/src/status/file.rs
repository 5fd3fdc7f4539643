//! A status file's text: JSON that a handler wrote, checked member by member.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use waagent_common::json::{self, Refused};
use waagent_common::text::cut;
use waagent_common::words;

use crate::error::fit;

/// A file over this is shortened, in bytes.
const SHORTEN_FROM: usize = 128 << 10;
/// Texts of a shortened file, in characters.
const MESSAGE: usize = 1024;
const SUBSTATUS: usize = 10_240;
const SUFFIX: &str = " ... [TRUNCATED]";
/// Texts that the platform only repeats, in bytes.
const PLAIN: usize = 10_240;
const MAX_DEPTH: usize = 64;
/// Substatuses that are taken from one file.
const MAX_SUBSTATUSES: usize = 10_000;
/// Members of a status but for the list of substatuses.
const MEMBERS: [&str; 5] = ["operation", "configurationAppliedTime", "status", "code", "formattedMessage"];

words! {
    /// An extension's own word for how it is.
    pub(crate) enum StatusWord {
        /// At work.
        Transitioning = "transitioning",
        /// Well, more or less.
        Warning = "warning",
        /// Failed.
        Error = "error",
        /// Done.
        Success = "success",
    }
}

/// The word of a `status` object.
pub(crate) fn word_of(status: &Value) -> Option<StatusWord> {
    status.get("status")?.as_str()?.parse().ok()
}

/// Why a status file can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bad {
    /// Not JSON: maybe half written.
    Text(String),
    /// JSON of another shape.
    Shape(String),
}

/// The `status` object for the platform, by the handler's or instance's `name`.
pub(crate) fn parse(bytes: &[u8], name: &str) -> Result<Value, Bad> {
    let text = std::str::from_utf8(bytes).map_err(|error| Bad::Text(format!("not UTF-8: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = lone_surrogates_replaced(text);
    let value = match json::read(text.as_bytes(), MAX_DEPTH) {
        Ok(value) => value,
        Err(error @ Refused::Syntax(_)) => return Err(Bad::Text(error.to_string())),
        Err(Refused::Values) => {
            json::check(&text).map_err(|error| Bad::Text(error.to_string()))?;
            with_first_substatuses(&text).map_err(|error| Bad::Shape(error.to_string()))?
        }
        Err(error) => return Err(Bad::Shape(error.to_string())),
    };
    let mut status = status(&value, name)?;
    if bytes.len() > SHORTEN_FROM {
        shorten(&mut status);
    }
    Ok(Value::Object(status))
}

/// The members that count, of a file with more values than are taken apart. Its substatuses are what there can be many of:
/// the first ones are taken, as from any file that is too big.
fn with_first_substatuses(text: &str) -> Result<Value, Refused> {
    let Some(first) = json::first(text)? else { return Ok(json!([])) };
    let [Some(status)] = json::members(first, ["status"])? else { return Ok(json!([{}])) };
    let [list] = json::members(status, ["substatus"])?;
    let mut members = Map::new();
    for (name, member) in MEMBERS.into_iter().zip(json::members(status, MEMBERS)?) {
        if let Some(member) = member {
            members.insert(name.to_owned(), json::read(member.as_bytes(), MAX_DEPTH)?);
        }
    }
    if let Some(list) = list {
        members.insert("substatus".to_owned(), Value::Array(json::beginning(list, MAX_DEPTH)?));
    }
    Ok(json!([{"status": members}]))
}

/// Escapes of half a character can't be text; Python, which handlers are tested with, takes them.
fn lone_surrogates_replaced(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push('\u{fffd}');
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            // A backslash and whatever it escapes.
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        out.push_str(escape.get(..taken).unwrap_or(escape));
        rest = escape.get(taken..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

fn status(value: &Value, name: &str) -> Result<Map<String, Value>, Bad> {
    let missing = |path: &str| Bad::Shape(format!("Missing {path} key"));
    let elements = match value {
        Value::Array(elements) => elements,
        Value::Null => return Ok(empty(name)),
        other => {
            let text = cut(&other.to_string(), 4096).to_owned();
            return Err(Bad::Shape(format!("The extension status must be an array: {text}")));
        }
    };
    let Some(first) = elements.first() else { return Ok(empty(name)) };
    let first = first.as_object().ok_or_else(|| Bad::Shape("[0] is no object".to_owned()))?;
    let inner = first.get("status").ok_or_else(|| missing("status"))?;
    let inner = inner.as_object().ok_or_else(|| Bad::Shape("status is no object".to_owned()))?;
    let word = inner.get("status").ok_or_else(|| missing("status/status"))?;
    let word = word.as_str().and_then(|word| word.parse().ok()).unwrap_or(StatusWord::Error);
    let mut out = Map::new();
    out.insert("name".to_owned(), Value::from(name));
    out.insert("operation".to_owned(), plain(inner.get("operation")));
    out.insert("configurationAppliedTime".to_owned(), plain(inner.get("configurationAppliedTime")));
    out.insert("status".to_owned(), Value::from(word.as_wire()));
    out.insert("code".to_owned(), code(inner.get("code")));
    if let Some(message) = message(inner.get("formattedMessage"), "status")? {
        out.insert("formattedMessage".to_owned(), message);
    }
    let substatuses = substatuses(inner.get("substatus"))?;
    if !substatuses.is_empty() {
        out.insert("substatus".to_owned(), Value::Array(substatuses));
    }
    Ok(out)
}

/// `[]` and `null` are no error, and say nothing.
fn empty(name: &str) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("name".to_owned(), Value::from(name));
    out.insert("operation".to_owned(), Value::Null);
    out.insert("configurationAppliedTime".to_owned(), Value::Null);
    out.insert("status".to_owned(), Value::from(StatusWord::Transitioning.as_wire()));
    out.insert("code".to_owned(), Value::from(0));
    out.insert("formattedMessage".to_owned(), json!({"lang": "en-US", "message": "empty status file"}));
    out
}

fn substatuses(value: Option<&Value>) -> Result<Vec<Value>, Bad> {
    let elements = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(elements)) => elements,
        Some(_) => return Err(Bad::Shape("status/substatus is no array".to_owned())),
    };
    elements.iter().filter(|element| !element.is_null()).take(MAX_SUBSTATUSES).map(substatus).collect()
}

fn substatus(value: &Value) -> Result<Value, Bad> {
    let path = "status/substatus";
    let inner =
        value.as_object().ok_or_else(|| Bad::Shape(format!("{path} holds something else than objects")))?;
    let word = inner.get("status").ok_or_else(|| Bad::Shape(format!("Missing {path}/status key")))?;
    let Some(word) = word.as_str().and_then(|word| word.parse::<StatusWord>().ok()) else {
        let text = cut(&word.to_string(), 200).to_owned();
        let words = StatusWord::ALL.iter().map(|word| word.as_wire()).collect::<Vec<_>>();
        return Err(Bad::Shape(format!("Invalid value {text} in range {words:?} at the node {path}/status")));
    };
    let mut out = Map::new();
    out.insert("name".to_owned(), plain(inner.get("name")));
    out.insert("status".to_owned(), Value::from(word.as_wire()));
    out.insert("code".to_owned(), code(inner.get("code")));
    if let Some(message) = message(inner.get("formattedMessage"), path)? {
        out.insert("formattedMessage".to_owned(), message);
    }
    Ok(Value::Object(out))
}

fn message(value: Option<&Value>, path: &str) -> Result<Option<Value>, Bad> {
    let inner = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(inner)) => inner,
        Some(_) => return Err(Bad::Shape(format!("{path}/formattedMessage is no object"))),
    };
    for key in ["lang", "message"] {
        if !inner.contains_key(key) {
            return Err(Bad::Shape(format!("Missing {path}/formattedMessage/{key} key")));
        }
    }
    let text = match inner.get("message") {
        Some(Value::String(text)) => Value::from(clean(text)),
        Some(Value::Null) | None => Value::Null,
        Some(other) => Value::from(clean(&other.to_string())),
    };
    Ok(Some(json!({"lang": "en-US", "message": text})))
}

/// Numbers that fit and texts pass; anything else is 0.
fn code(value: Option<&Value>) -> Value {
    match value {
        Some(Value::Number(number)) if number.as_i64().is_some() => Value::Number(number.clone()),
        Some(Value::String(text)) => Value::from(cut(&clean(text), 256)),
        _ => Value::from(0),
    }
}

/// Texts and numbers as they are, bounded; objects and lists aren't the platform's affair.
fn plain(value: Option<&Value>) -> Value {
    match value {
        Some(Value::String(text)) => Value::from(cut(&clean(text), PLAIN)),
        Some(Value::Number(number)) => Value::from(number.to_string()),
        _ => Value::Null,
    }
}

fn clean(text: &str) -> String {
    waagent_common::secret::redact_uris(text)
        .chars()
        .filter(|c| !c.is_control() || "\n\t".contains(*c))
        .collect()
}

/// The reference agent's way with a file that is too big: texts first, then whole substatuses from the end.
fn shorten(status: &mut Map<String, Value>) {
    let mut sum = shorten_message(status.get_mut("formattedMessage"), MESSAGE);
    let Some(Value::Array(substatuses)) = status.get_mut("substatus") else { return };
    let mut kept = Vec::new();
    for mut substatus in std::mem::take(substatuses) {
        let Some(members) = substatus.as_object_mut() else { continue };
        if let Some(Value::String(name)) = members.get_mut("name") {
            shorten_text(name, SUBSTATUS);
            sum += name.len();
        }
        sum += shorten_message(members.get_mut("formattedMessage"), SUBSTATUS);
        if sum > SHORTEN_FROM {
            break;
        }
        kept.push(substatus);
    }
    *substatuses = kept;
}

fn shorten_message(message: Option<&mut Value>, most: usize) -> usize {
    let Some(Value::String(text)) = message.and_then(|message| message.get_mut("message")) else { return 0 };
    shorten_text(text, most);
    text.len()
}

fn shorten_text(text: &mut String, most: usize) {
    if text.chars().count() >= most {
        let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
        text.truncate(end);
        text.push_str(SUFFIX);
    }
}

/// A status that the agent reports in an extension's place.
pub(crate) fn own(name: &str, operation: Option<&str>, word: StatusWord, code: i32, message: &str) -> Value {
    json!({
        "name": name, "operation": operation, "configurationAppliedTime": Value::Null, "status": word,
        "code": code, "formattedMessage": {"lang": "en-US", "message": fit(message)},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(substatuses: usize, unused: usize) -> String {
        let one = r#"{"name": "disk", "status": "success", "code": 0, "formattedMessage": {"lang": "en", "message": "x"}}"#;
        let list = vec![one; substatuses].join(",");
        let unused = vec!["0"; unused].join(",");
        format!(
            r#"[{{"version": "1.0", "x": [{unused}], "status": {{"name": "n", "operation": "Enable", "status": "success",
                "code": 7, "formattedMessage": {{"lang": "en", "message": "all well"}}, "substatus": [{list}]}}}}]"#
        )
    }

    #[test]
    fn a_success_with_more_substatuses_than_are_taken_apart_is_a_success_with_fewer() {
        let few = parse(file(6000, 0).as_bytes(), "Test.Many").unwrap();
        assert_eq!((few["status"].as_str(), few["code"].as_i64()), (Some("success"), Some(7)));
        assert_eq!(few["formattedMessage"]["message"], "all well");
        let kept = few["substatus"].as_array().unwrap();
        assert!(!kept.is_empty() && kept.len() < 6000, "{}", kept.len());
        assert_eq!(kept[0]["name"], "disk");
    }

    #[test]
    fn what_nobody_looks_at_may_have_as_many_values_as_it_likes() {
        let status = parse(file(2, 40_000).as_bytes(), "Test.Many").unwrap();
        assert_eq!(
            (status["status"].as_str(), status["substatus"].as_array().unwrap().len()),
            (Some("success"), 2)
        );
        let cut_off = file(6000, 0);
        assert!(matches!(parse(&cut_off.as_bytes()[..cut_off.len() - 3], "x"), Err(Bad::Text(_))));
    }
}
