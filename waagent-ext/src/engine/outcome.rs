//! What a command's result means, in the words that people and tools know.

use std::io::Read;
use std::path::{Path, PathBuf};

use waagent_common::command::noexec;
use waagent_common::command::output::{HEAD, head_of};
use waagent_common::documents::{Command, CommandResult, CommandState};
use waagent_common::durable::open_regular;
use waagent_common::root::Root;

use crate::error::{ExtensionError, code, code_of, operation_of};

/// Shown of both streams together, in bytes.
const SHOWN: usize = 3200;
/// What the frame around them is counted with.
const FRAME: usize = 20;

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its failure, if it failed.
    pub(crate) trouble: Option<ExtensionError>,
    /// What later commands of an update are told.
    pub(crate) exit_code: String,
    /// Its output, framed.
    pub(crate) output: String,
}

/// Judges a result. `command` is what was run.
pub(crate) fn judge(root: &Root, command: &Command, result: &CommandResult) -> Ended {
    let stream = |kind: &str| root.state_path("ext/results").join(format!("{}.{kind}", command.id));
    let output = joint(&head(&stream("out")), &head(&stream("err")));
    let full = &command.command;
    let own = code_of(command.kind);
    let (code, exit_code, text) = match (result.state, result.exit_code, result.signal) {
        (CommandState::Exited, Some(0), _) => {
            return Ended { trouble: None, exit_code: "0".to_owned(), output };
        }
        (CommandState::TimedOut, ..) => {
            let text = format!("[ExtensionError] Timeout({}): {full}\n{output}", command.timeout_s);
            (code::TIMED_OUT, code::TIMED_OUT.to_string(), text)
        }
        (CommandState::Exited, exit, signal) => {
            let exit = exit.unwrap_or_else(|| signal.map_or(-1, |signal| -signal));
            let warning = if exit == 126 { noexec_warning(root) } else { String::new() };
            let text =
                format!("[ExtensionOperationError] Non-zero exit code: {exit}, {full}\n{warning}{output}");
            (own, exit.to_string(), text)
        }
        (CommandState::Started | CommandState::Interrupted, ..) => {
            let why = result.error.as_deref().unwrap_or("no result recorded");
            (own, own.to_string(), format!("[ExtensionOperationError] {why}: {full}"))
        }
    };
    Ended { trouble: Some(ExtensionError::new(code, operation_of(command.kind), text)), exit_code, output }
}

fn noexec_warning(root: &Root) -> String {
    noexec::mount_of(&root.state_path("")).map_or_else(String::new, |mount| {
        format!(
            "WARNING: {mount} is mounted with the noexec flag, which can prevent execution of VM Extensions.\n"
        )
    })
}

/// The beginning of a stream: kept apart if the stream was cut.
fn head(path: &Path) -> String {
    let kept = head_of(path);
    let path: PathBuf = if kept.exists() { kept } else { path.to_owned() };
    let mut bytes = Vec::new();
    let read = open_regular(&path).map_err(|fault| fault.text).and_then(|file| {
        file.take(u64::try_from(HEAD).unwrap_or(0)).read_to_end(&mut bytes).map_err(|e| e.to_string())
    });
    match read {
        Ok(_) => decode(&bytes),
        Err(why) => format!("Cannot read stdout/stderr: {why}"),
    }
}

/// Bytes that are no text are shown as `\xNN`.
fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// Both streams in a frame: all of them if they fit, else the end of each; what one doesn't use is the other's.
fn joint(out: &str, err: &str) -> String {
    let (out, err) = if out.len() + err.len() < SHOWN {
        (out, err)
    } else {
        let half = (SHOWN - FRAME) / 2;
        let spare_out = half.saturating_sub(out.len());
        let spare_err = half.saturating_sub(err.len());
        (tail(out, half + spare_err), tail(err, half + spare_out))
    };
    format!("[stdout]\n{out}\n\n[stderr]\n{err}")
}

fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_all_that_fits_and_the_ends_of_what_does_not() {
        assert_eq!(joint("a", "b"), "[stdout]\na\n\n[stderr]\nb");
        let long = "x".repeat(4000);
        assert_eq!(joint(&long, &long).len(), 2 * 1590 + joint("", "").len());
        assert_eq!(joint(&long, "e").len(), 1590 + 1589 + 1 + joint("", "").len());
        assert!(joint(&format!("{long}end"), "").contains("xend\n"));
    }

    #[test]
    fn shows_bytes_that_are_no_text() {
        assert_eq!(decode(b"a\xffb"), "a\\xffb");
    }
}
