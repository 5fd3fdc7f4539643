//! The log: a line for people in the journal, and the same in `/var/log/waagent.log`.
//!
//! Standard error is the journal's (or a terminal's): lines get the priority prefix of sd-daemon(3) when the journal
//! reads them. Standard output is `/var/log/waagent.log` when whoever started us opened a file there for appending
//! (`StandardOutput=append:`): no program needs a path or a right to the file. Its line format is WALinuxAgent's,
//! since log readers know it.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};

use crate::secret::redact_uris;
use crate::text::one_line;
use crate::time;

/// Longest line, in bytes: one `write(2)` below a page doesn't interleave with other programs' lines.
const MAX_LINE: usize = 4000;

#[derive(Debug)]
struct Sinks {
    program: &'static str,
    thread: &'static str,
    journal: bool,
    file: bool,
}

static SINKS: OnceLock<Sinks> = OnceLock::new();
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Says once, before anything is logged, who logs. `thread` are WALinuxAgent's two words that readers grep for.
pub fn start(program: &'static str, thread: &'static str) {
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
    SINKS.get_or_init(|| Sinks { program, thread, journal, file: appends_to_a_file() });
}

/// `Logs.Verbose`.
pub fn set_verbose(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
}

/// A detail, only with `Logs.Verbose=y`.
pub fn verbose(text: &str) {
    if VERBOSE.load(Ordering::Relaxed) {
        line(7, "VERBOSE", text);
    }
}

/// A finished step, past tense, with the figure that matters.
pub fn info(text: &str) {
    line(6, "INFO", text);
}

/// Something odd that was got over: ends ", ignoring" or ", using <value>".
pub fn warning(text: &str) {
    line(4, "WARNING", text);
}

/// Why the run failed.
pub fn error(text: &str) {
    line(3, "ERROR", text);
}

fn line(priority: u8, level: &str, text: &str) {
    let Some(sinks) = SINKS.get() else { return };
    let text = one_line(&redact_uris(text), MAX_LINE);
    let journal = if sinks.journal {
        format!("<{priority}>{text}\n")
    } else if priority == 6 {
        format!("{}: {text}\n", sinks.program)
    } else {
        format!("{}: {}: {text}\n", sinks.program, level.to_ascii_lowercase())
    };
    // A log that can't be written is no reason to stop work, and there is no other place to say so.
    let _unwritten = io::stderr().write_all(journal.as_bytes());
    if sinks.file {
        let stamp = time::now_micros();
        let file = format!("{stamp} {level} {} {} {text}\n", sinks.thread, sinks.program);
        let _unwritten = io::stdout().write_all(file.as_bytes());
    }
}

/// Did our starter open a regular file for appending on standard output? (`>` of a shell doesn't append.)
fn appends_to_a_file() -> bool {
    let out = io::stdout();
    let regular = fstat(&out)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG);
    let append = fcntl(&out, FcntlArg::F_GETFL)
        .is_ok_and(|flags| OFlag::from_bits_truncate(flags).contains(OFlag::O_APPEND));
    regular && append
}
