//! A command's output: regular files that are cut when they grow too big, and never lost count of.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::durable;

/// A stream over this is cut to nothing; its writer, which appends, goes on from there.
pub const MAX: u64 = 64 << 20;
/// The beginning of a stream, kept apart when it is cut: what is shown of a stream is taken from it.
pub const HEAD: usize = 3200;

/// One stream of a running command.
#[derive(Debug)]
pub struct Stream {
    file: File,
    head: PathBuf,
    cut: u64,
}

impl Stream {
    /// The stream in this file. Its writer has a descriptor of its own, which can but append: who inherits that one
    /// can't read what others wrote.
    pub fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open(path)?, head: head_of(path), cut: 0 })
    }

    /// Cuts the stream if it is over the bound. What is written between the look and the cut isn't counted.
    pub fn bound(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length > MAX {
            if self.cut == 0 {
                keep_head(&self.file, &self.head)?;
            }
            self.file.set_len(0)?;
            self.cut = self.cut.saturating_add(length);
        }
        Ok(())
    }

    /// Bytes written so far, those that were cut included.
    pub fn bytes(&self) -> u64 {
        self.cut.saturating_add(self.file.metadata().map_or(0, |meta| meta.len()))
    }
}

/// Cuts a file that a process left behind still writes to. Says whether it was over the bound.
pub fn cut_left_over(path: &Path) -> io::Result<bool> {
    let file = open(path)?;
    if file.metadata()?.len() <= MAX {
        return Ok(false);
    }
    let head = head_of(path);
    if !head.exists() {
        keep_head(&file, &head)?;
    }
    file.set_len(0)?;
    Ok(true)
}

/// Where the beginning of a cut stream is kept.
pub fn head_of(stream: &Path) -> PathBuf {
    let mut name = stream.as_os_str().to_owned();
    name.push(".head");
    PathBuf::from(name)
}

/// For the beginning and for the cut.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)
}

fn keep_head(file: &File, path: &Path) -> io::Result<()> {
    let mut head = vec![0; HEAD];
    let read = file.read_at(&mut head, 0)?;
    head.truncate(read);
    durable::write(path, &head, 0o600).map_err(io::Error::other)
}
