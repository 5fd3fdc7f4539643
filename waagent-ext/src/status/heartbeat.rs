//! A handler's heartbeat file: only for handlers whose manifest says that they write one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use waagent_common::documents::{ForeignKind, HandlerReadiness, HandlerStatus};
use waagent_common::fault::Fault;
use waagent_common::json;
use waagent_common::time::distance;

use crate::crash_guard::{Guard, stamp};
use crate::error::{code, fit};
use crate::handler::paths::HandlerPaths;

const FILE: &str = "heartbeat.log";
const MAX: u64 = 64 << 10;
/// A heartbeat older than this is none, in seconds; the same time is given after enable.
const MAX_AGE_S: u64 = 600;

/// The handler's status in the light of its heartbeat, and when that may change by time alone.
pub(crate) fn look(
    home: &HandlerPaths,
    own: &HandlerStatus,
    enabled_at_s: Option<u64>,
    guard: &Guard<'_>,
) -> (HandlerStatus, Option<Duration>) {
    let failed = |why: &str| HandlerStatus {
        status: HandlerReadiness::NotReady,
        code: code::UNKNOWN,
        message: format!("[ExtensionError] {why}"),
    };
    let found = home.open().ok().and_then(|base| Some((base.look(FILE).ok()?, base)));
    let Some((meta, base)) = found else {
        let since = distance(at(enabled_at_s.unwrap_or(0))).as_secs();
        return match MAX_AGE_S.checked_sub(since) {
            Some(left) => (own.clone(), Some(Duration::from_secs(left + 1))),
            None => (failed("Failed to get heart beat file"), None),
        };
    };
    let written = at(u64::try_from(meta.st_mtime).unwrap_or(0));
    let age = distance(written).as_secs();
    if age > MAX_AGE_S {
        let when = if written > SystemTime::now() { "ahead of the clock" } else { "ago" };
        let message = format!("Extension heartbeat is not responsive (last {age} s {when})");
        let status = HandlerStatus { status: HandlerReadiness::Unresponsive, code: code::UNKNOWN, message };
        return (status, None);
    }
    let again = Some(Duration::from_secs(MAX_AGE_S - age + 1));
    let work = || parse(&base.read(FILE, MAX).map_err(|error| Fault::io(error.to_string()))?.0);
    match guard.work(home.bytes(ForeignKind::Heartbeat, stamp(&meta)), work).and_then(|parsed| parsed) {
        Ok((status, message)) => {
            let message = message.unwrap_or_else(|| own.message.clone());
            (HandlerStatus { status, code: own.code, message }, again)
        }
        Err(fault) => (failed(&format!("Malformed heartbeat file: {fault}")), again),
    }
}

/// A time of whole seconds since 1970; one that the clock can't have is 1970.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

fn parse(bytes: &[u8]) -> Result<(HandlerReadiness, Option<String>), Fault> {
    let value: Value = json::read(bytes, json::MAX_DEPTH).map_err(|error| Fault::data(error.to_string()))?;
    let heartbeat = value
        .get(0)
        .and_then(|first| first.get("heartbeat"))
        .ok_or_else(|| Fault::data("no [0].heartbeat"))?;
    let word = heartbeat.get("status").and_then(Value::as_str).ok_or_else(|| Fault::data("no status"))?;
    let text = match heartbeat.get("formattedMessage") {
        None | Some(Value::Null) => None,
        Some(message) if message.get("lang").is_some() => Some(fit(message
            .get("message")
            .and_then(Value::as_str)
            .ok_or_else(|| Fault::data("no message"))?)),
        Some(_) => return Err(Fault::data("no lang in formattedMessage")),
    };
    Ok(match word.to_ascii_lowercase().as_str() {
        "ready" => (HandlerReadiness::Ready, text),
        "notready" => (HandlerReadiness::NotReady, text),
        "installing" => (HandlerReadiness::Installing, text),
        "unresponsive" => (HandlerReadiness::Unresponsive, text),
        _ => (HandlerReadiness::NotReady, Some(format!("unknown heartbeat status '{}'", fit(word)))),
    })
}
