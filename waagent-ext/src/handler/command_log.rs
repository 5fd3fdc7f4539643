//! `CommandExecution.log` of a handler, as people and support tools know it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use waagent_common::fault::{Exit, Fault};
use waagent_common::folder::Folder;
use waagent_common::log;
use waagent_common::secret::redact_uris;
use waagent_common::time;

use super::folder::replace;
use super::paths::HandlerPaths;

/// A log over this is cut to its last part of this size, in bytes.
const MAX: u64 = 10 << 20;
const FILE: &str = "CommandExecution.log";

/// The folder of the handler's logs; its parent isn't the handler's, and must be there.
pub(crate) fn folder(home: &HandlerPaths) -> Result<Folder, Fault> {
    let parent = home
        .logs()
        .parent()
        .ok_or_else(|| Fault::new(Exit::Software, "the folder of logs has no parent".to_owned()))?;
    Folder::open(parent)?.make(home.name.as_str(), 0o755)
}

/// Appends a line. A log that can't be written stops nothing: that is said once, in our own.
pub(crate) fn append(home: &HandlerPaths, level: &str, text: &str) {
    if let Err(error) = try_append(home, level, text) {
        log::warning(&format!("cannot write '{}': {error}, ignoring", home.logs().join(FILE).display()));
    }
}

fn try_append(home: &HandlerPaths, level: &str, text: &str) -> anyhow::Result<()> {
    let folder = folder(home)?;
    let flags = OFlag::O_RDWR
        | OFlag::O_APPEND
        | OFlag::O_CREAT
        | OFlag::O_NOFOLLOW
        | OFlag::O_NONBLOCK
        | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(&folder, FILE, flags, Mode::from_bits_truncate(0o640))?);
    let meta = file.metadata()?;
    anyhow::ensure!(meta.is_file(), "it is no regular file");
    if meta.len() > MAX {
        file = shorten(&folder, file, meta.len())?;
    }
    let line = format!("{} {level} ExtHandler [{}] {}\n", time::now_micros(), home.full_name(), ascii(text));
    Ok(file.write_all(line.as_bytes())?)
}

/// Keeps the last part, from its first whole line.
fn shorten(folder: &Folder, mut file: File, length: u64) -> anyhow::Result<File> {
    file.seek(SeekFrom::Start(length.saturating_sub(MAX)))?;
    let mut tail = Vec::new();
    file.take(MAX).read_to_end(&mut tail)?;
    let start = tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    replace(folder, FILE, tail.get(start..).unwrap_or_default(), 0o640, false)?;
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(folder, FILE, flags, Mode::empty())?))
}

/// Foreign text: signatures cut, lines indented so that none is taken for one of ours, the rest escaped.
fn ascii(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in redact_uris(text).chars() {
        match c {
            '\n' => line.push_str("\n\t"),
            '\t' | ' '..='~' => line.push(c),
            _ => line.extend(c.escape_default()),
        }
    }
    line
}
