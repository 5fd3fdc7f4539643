//! Reading an extension's status: its file, or the agent's word where there is none or a bad one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use waagent_common::documents::{CommandKind, ExtensionFailure, ForeignKind};
use waagent_common::folder::Folder;
use waagent_common::text::cut;
use waagent_common::time;

use super::file::{self, Bad, StatusWord};
use crate::crash_guard::{Guard, stamp};
use crate::error::{code, operation_of};
use crate::handler::paths::HandlerPaths;

/// Largest status file that is read, in bytes.
const MAX: u64 = 4 << 20;
/// A file that isn't JSON may be half written for so long, by handlers that write in place.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked about an extension's status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Sequence number of its settings.
    pub(crate) number: u32,
    /// Which file counts.
    pub(crate) counts: &'a Counts,
    /// What failed, if something did.
    pub(crate) failure: Option<&'a ExtensionFailure>,
    /// The last good file.
    pub(crate) last: Option<&'a Good>,
}

/// Which status file says something about what is asked.
///
/// Times don't tell it: a handler gives its file any time it likes, and the clock may step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counts {
    /// None does yet.
    None,
    /// Any.
    Any,
    /// Any but the one of this mark, which was there before.
    AnyBut(String),
}

/// A good file of the extension itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Good {
    /// The `status` object for the platform.
    pub(crate) status: Value,
    /// What was asked when it was read.
    pub(crate) counts: Counts,
}

/// What a status file came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    /// The `status` object for the platform.
    pub(crate) status: Value,
    /// It isn't to be believed before this: look again then.
    pub(crate) again: Option<Duration>,
    /// The status is the extension's own.
    pub(crate) own: bool,
}

/// Tells the status file of this number from what may stand in its place later; empty where there is none.
pub(crate) fn mark(home: &HandlerPaths, number: u32) -> String {
    let file = home.status().and_then(|folder| folder.look(name_of(number)).ok());
    file.map_or_else(String::new, |file| stamp(&file))
}

fn name_of(number: u32) -> String {
    format!("{number}.status")
}

/// The status of this sequence number. The last good one holds while a file is being written.
pub(crate) fn read(home: &HandlerPaths, asked: Question<'_>, guard: &Guard<'_>) -> Reading {
    let number = asked.number;
    if *asked.counts == Counts::None {
        return settled(waiting(home, number));
    }
    let failure = asked.failure.filter(|failure| failure.sequence_number.is_none_or(|of| of == number));
    let file = name_of(number);
    let folder = home.status().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound));
    let found = folder.and_then(|folder| Ok((folder.look(&file)?, folder)));
    let (folder, meta) = match (found, failure) {
        (Ok((meta, folder)), _) => (folder, meta),
        (Err(_), Some(failure)) => return by_failure(home, failure),
        (Err(error), None) if error.kind() == std::io::ErrorKind::NotFound => {
            return settled(missing(home, &file));
        }
        (Err(error), None) => return settled(unreadable(home, number, &error.to_string())),
    };
    let mark = stamp(&meta);
    if let Some(failure) = failure.filter(|f| f.status_before.as_ref().is_none_or(|before| *before == mark)) {
        return by_failure(home, failure);
    }
    if matches!(asked.counts, Counts::AnyBut(before) if *before == mark) {
        return settled(waiting(home, number));
    }
    let work = || taken(home, &folder, &file, asked, failure);
    guard.work(home.bytes(ForeignKind::Status, format!("{number}: {mark}")), work).unwrap_or_else(|fault| {
        settled(file::own(home.name.as_str(), None, StatusWord::Error, code::STATUS_INVALID, &fault.text))
    })
}

/// What is in the file, which counts.
fn taken(
    home: &HandlerPaths,
    folder: &Folder,
    file: &str,
    asked: Question<'_>,
    failure: Option<&ExtensionFailure>,
) -> Reading {
    let name = home.name.as_str();
    let (bytes, written) = match (folder.read(file, MAX), failure) {
        (Ok((bytes, meta)), _) => (bytes, meta.modified().unwrap_or(UNIX_EPOCH)),
        (Err(_), Some(failure)) => return by_failure(home, failure),
        (Err(error), None) => return settled(unreadable(home, asked.number, &error.to_string())),
    };
    match file::parse(&bytes, name) {
        Ok(status) => match failure.filter(|failure| contradicts(&status, failure)) {
            Some(failure) => by_failure(home, failure),
            None => Reading { status, again: None, own: true },
        },
        Err(Bad::Text(why)) => impatient(home, asked, written, &bad_text(home, asked.number, &why, &bytes)),
        Err(Bad::Shape(why)) => {
            settled(file::own(name, None, StatusWord::Error, code::STATUS_INVALID, &bad_shape(home, &why)))
        }
    }
}

fn settled(status: Value) -> Reading {
    Reading { status, again: None, own: false }
}

fn by_failure(home: &HandlerPaths, failure: &ExtensionFailure) -> Reading {
    let name = home.name.as_str();
    settled(file::own(name, Some(&failure.operation), StatusWord::Error, failure.code, &failure.message))
}

/// Only enable brings an extension to its end: after another step failed, its file may say more of the failure, and
/// nothing else.
fn contradicts(status: &Value, failure: &ExtensionFailure) -> bool {
    failure.operation != operation_of(CommandKind::Enable) && file::word_of(status) != Some(StatusWord::Error)
}

/// A file that isn't JSON: the last good status for ten seconds, then the error.
fn impatient(home: &HandlerPaths, asked: Question<'_>, written: SystemTime, text: &str) -> Reading {
    let age = time::distance(written);
    if age < PATIENCE {
        let last = asked.last.filter(|last| [&last.counts, &Counts::Any].contains(&asked.counts));
        let status = last.map_or_else(|| missing(home, &name_of(asked.number)), |last| last.status.clone());
        return Reading { status, again: Some(PATIENCE.saturating_sub(age)), own: last.is_some() };
    }
    settled(file::own(home.name.as_str(), None, StatusWord::Error, code::STATUS_INVALID, text))
}

/// Before the enable command of this goal state run: what install, update or an earlier run wrote says nothing about
/// it.
fn waiting(home: &HandlerPaths, number: u32) -> Value {
    let text = format!(
        "This status is being reported by the Guest Agent since extension {} is being processed, and its enable \
         command has reported no status yet for sequence number {number}",
        home.name
    );
    file::own(home.name.as_str(), None, StatusWord::Transitioning, 0, &text)
}

fn missing(home: &HandlerPaths, file: &str) -> Value {
    let path = home.base().join("status").join(file);
    let text = format!(
        "This status is being reported by the Guest Agent since no status file was reported by extension {}: \
         [ExtensionStatusError] Status file {} does not exist",
        home.name,
        path.display()
    );
    file::own(home.name.as_str(), None, StatusWord::Transitioning, 0, &text)
}

fn unreadable(home: &HandlerPaths, number: u32, why: &str) -> Value {
    let text = format!(
        "We couldn't read any status for {} extension, for the sequence number {number}. It failed due to {why}",
        home.full_name()
    );
    file::own(home.name.as_str(), None, StatusWord::Error, code::UNKNOWN, &text)
}

fn bad_text(home: &HandlerPaths, number: u32, why: &str, bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(bytes.get(..2000).unwrap_or(bytes)).into_owned();
    format!(
        "The status reported by the extension {}(Sequence number {number}), was in an incorrect format and the \
         agent could not parse it correctly. Failed due to {why} \n First 2000 Bytes of status file:\n {shown}",
        home.full_name()
    )
}

fn bad_shape(home: &HandlerPaths, why: &str) -> String {
    format!(
        "Could not get a valid status from the extension {}. Encountered the following error: \
         [ExtensionStatusError] Invalid status format by extension: {}",
        home.full_name(),
        cut(why, 4096)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use waagent_common::root::Root;
    use waagent_common::sandbox::Sandbox;
    use waagent_common::types::{HandlerName, HandlerVersion};

    use super::*;

    #[test]
    fn a_half_written_file_shows_the_last_good_one_of_this_run_and_no_older_one() {
        let scratch = tempfile::tempdir().unwrap();
        let (root, sandbox) = (Root::new(scratch.path()), Sandbox::unconfined());
        let name = HandlerName::try_from("Test.Good").unwrap();
        let home =
            HandlerPaths::new(&root, "/var/log/azure", &name, &HandlerVersion::try_from("1.0").unwrap());
        fs::create_dir_all(home.base().join("status")).unwrap();
        fs::write(home.base().join("status/0.status"), "[{").unwrap();
        let since = |before: &str| Counts::AnyBut(before.to_owned());
        let good =
            Good { status: file::own("Test.Good", None, StatusWord::Success, 0, ""), counts: since("this") };
        let word = |counts| {
            let asked = Question { number: 0, counts: &counts, failure: None, last: Some(&good) };
            read(&home, asked, &Guard::open(&root, &sandbox)).status["status"].clone()
        };
        assert_eq!(word(since("this")), "success");
        assert_eq!(word(Counts::Any), "success");
        assert_eq!(word(since("next")), "transitioning");
        assert_eq!(word(since("")), "transitioning");
        assert_eq!(word(Counts::None), "transitioning");
    }
}
