//! Reading an extension's status: its file, or the agent's word where there is none or a bad one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use waagent_common::documents::ExtensionFailure;
use waagent_common::text::cut;

use super::file::{self, Bad};
use crate::handler::home::Home;
use crate::trouble::code;

/// Largest status file that is read, in bytes.
const MAX: u64 = 4 << 20;
/// A file that isn't JSON may be half written for so long, by handlers that write in place.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a status file came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The `status` object for the platform.
    pub status: Value,
    /// It isn't to be believed before this: look again then.
    pub again: Option<Duration>,
    /// A good file of the extension itself.
    pub genuine: bool,
}

/// The status of this sequence number. `last` is the last good one, which holds while a file is being written.
pub fn read(home: &Home, number: u32, failure: Option<&ExtensionFailure>, last: Option<&Value>) -> Reading {
    let settled = |status| Reading { status, again: None, genuine: false };
    let name = home.name.as_str();
    let by_failure = |failure: &ExtensionFailure| {
        settled(file::own(name, Some(&failure.operation), "error", failure.code, &failure.message))
    };
    let file = format!("{number}.status");
    let read =
        home.status().ok_or(std::io::ErrorKind::NotFound.into()).and_then(|folder| folder.read(&file, MAX));
    let failure = failure.filter(|failure| failure.sequence_number.is_none_or(|of| of == number));
    let (bytes, written) = match read {
        Ok((bytes, meta)) => (bytes, meta.modified().unwrap_or(UNIX_EPOCH)),
        Err(error) => {
            return match failure {
                Some(failure) => by_failure(failure),
                None if error.kind() == std::io::ErrorKind::NotFound => settled(missing(home, &file)),
                None => settled(unreadable(home, number, &error.to_string())),
            };
        }
    };
    if let Some(failure) = failure
        && failure.since_ms.is_none_or(|since| millis(written) < since)
    {
        return by_failure(failure);
    }
    match file::parse(&bytes, name) {
        Ok(status) => Reading { status, again: None, genuine: true },
        Err(Bad::Text(why)) => impatient(home, number, written, &bad_text(home, number, &why, &bytes), last),
        Err(Bad::Shape(why)) => {
            settled(file::own(name, None, "error", code::STATUS_INVALID, &bad_shape(home, &why)))
        }
    }
}

/// A file that isn't JSON: the last good status for ten seconds, then the error.
fn impatient(home: &Home, number: u32, written: SystemTime, text: &str, last: Option<&Value>) -> Reading {
    let age = SystemTime::now().duration_since(written).unwrap_or(Duration::ZERO);
    if age < PATIENCE {
        let status = last.cloned().unwrap_or_else(|| missing(home, &format!("{number}.status")));
        return Reading { status, again: Some(PATIENCE.saturating_sub(age)), genuine: false };
    }
    let status = file::own(home.name.as_str(), None, "error", code::STATUS_INVALID, text);
    Reading { status, again: None, genuine: false }
}

fn missing(home: &Home, file: &str) -> Value {
    let path = home.base().join("status").join(file);
    let text = format!(
        "This status is being reported by the Guest Agent since no status file was reported by extension {}: \
         [ExtensionStatusError] Status file {} does not exist",
        home.name,
        path.display()
    );
    file::own(home.name.as_str(), None, "transitioning", 0, &text)
}

fn unreadable(home: &Home, number: u32, why: &str) -> Value {
    let text = format!(
        "We couldn't read any status for {} extension, for the sequence number {number}. It failed due to {why}",
        home.full_name()
    );
    file::own(home.name.as_str(), None, "error", code::UNKNOWN, &text)
}

fn bad_text(home: &Home, number: u32, why: &str, bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(bytes.get(..2000).unwrap_or(bytes)).into_owned();
    format!(
        "The status reported by the extension {}(Sequence number {number}), was in an incorrect format and the \
         agent could not parse it correctly. Failed due to {why} \n First 2000 Bytes of status file:\n {shown}",
        home.full_name()
    )
}

fn bad_shape(home: &Home, why: &str) -> String {
    format!(
        "Could not get a valid status from the extension {}. Encountered the following error: \
         [ExtensionStatusError] Invalid status format by extension: {}",
        home.full_name(),
        cut(why, 4096)
    )
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
