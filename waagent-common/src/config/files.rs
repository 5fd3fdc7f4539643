//! Which files make the configuration, and how each is read: bounded, whole, and never hanging.

use std::ffi::OsStr;
use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK};

use super::lines;
use crate::fault::{Exit, Fault};
use crate::file_identity::Names;
use crate::folder;

/// One file of the configuration.
#[derive(Debug)]
pub(super) struct Source {
    /// As it is shown.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The files in the order in which they are read, and whether the built-in copy had to stand in.
#[derive(Debug, Default)]
pub struct Sources {
    pub(super) list: Vec<Source>,
    pub(super) is_built_in: bool,
    /// Why they aren't all there.
    pub(super) unusable: Option<Fault>,
    names: Names,
}

impl Sources {
    /// Reads the configuration's files below `root`, or `override_path` alone, and understands nothing of them yet.
    pub fn read(root: &Path, override_path: Option<&Path>) -> Self {
        let mut sources = Self::default();
        let read = match override_path {
            Some(path) => sources.alone(path),
            None => sources.below(root),
        };
        sources.unusable = read.err();
        sources
    }

    /// The names that were looked at; another file under one of them is another configuration.
    pub fn names(&self) -> &Names {
        &self.names
    }

    fn alone(&mut self, path: &Path) -> Result<(), Fault> {
        let source = self
            .file(path)?
            .ok_or_else(|| refused(format!("cannot read '{}': there is no such file", path.display())))?;
        self.list.push(source);
        Ok(())
    }

    fn below(&mut self, root: &Path) -> Result<(), Fault> {
        match self.file(&root.join(MAIN))? {
            Some(main) if lines::any_key(&main.bytes) => self.list.push(main),
            _ => {
                let vendor = self.file(&root.join(VENDOR))?;
                self.is_built_in = vendor.is_none();
                self.list.push(vendor.unwrap_or_else(built_in));
            }
        }
        let folder = root.join(DROP_INS);
        self.names.note_with_entries(&folder);
        for path in drop_ins(&folder)? {
            let source = self.file(&path)?;
            self.list.extend(source);
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<Option<Source>, Fault> {
        self.names.note(path);
        read(path)
    }
}

/// The shipped file, as it was when this program was built.
pub(super) fn built_in() -> Source {
    Source { name: "built-in waagent.conf".to_owned(), bytes: BUILT_IN.as_bytes().to_vec() }
}

/// `*.conf` in the folder, by name; none where the folder is missing.
fn drop_ins(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension() == Some(OsStr::new("conf")) && !is_hidden {
            paths.push(path);
        }
        if paths.len() > MOST_DROP_INS {
            let text = format!("cannot use '{}': over {MOST_DROP_INS} files; join some", folder.display());
            return Err(refused(text));
        }
    }
    paths.sort();
    Ok(paths)
}

/// The file at `path`, or nothing where there is none. A file that changes while it is read is read again.
fn read(path: &Path) -> Result<Option<Source>, Fault> {
    for _ in 0..TRIES {
        // O_NONBLOCK: a FIFO in the place of the file must not hang the boot.
        let flags = O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(path, &error)),
        };
        refuse_odd(path, &file.metadata().map_err(|error| unreadable(path, &error))?)?;
        let (bytes, before) = folder::read(&file, LARGEST).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => too_large(path),
            _ => unreadable(path, &error),
        })?;
        let after = file.metadata().map_err(|error| unreadable(path, &error))?;
        if is_same(&before, &after) && u64::try_from(bytes.len()) == Ok(after.len()) {
            return Ok(Some(Source { name: path.display().to_string(), bytes }));
        }
    }
    Err(refused(format!("cannot read '{}': it changed {TRIES} times meanwhile; try again", path.display())))
}

fn refuse_odd(path: &Path, metadata: &Metadata) -> Result<(), Fault> {
    if !metadata.is_file() {
        return Err(refused(format!("cannot use '{}': not a regular file", path.display())));
    }
    if metadata.len() > LARGEST {
        return Err(too_large(path));
    }
    Ok(())
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    (before.len(), before.mtime(), before.mtime_nsec(), before.ctime(), before.ctime_nsec())
        == (after.len(), after.mtime(), after.mtime_nsec(), after.ctime(), after.ctime_nsec())
}

/// No program may work with this configuration.
fn refused(text: String) -> Fault {
    Fault::new(Exit::Config, text)
}

fn too_large(path: &Path) -> Fault {
    refused(format!("cannot use '{}': over 1 MiB", path.display()))
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    let path_text = path.display();
    if error.kind() != io::ErrorKind::PermissionDenied {
        return refused(format!("cannot read '{path_text}': {error}"));
    }
    let (wanted, mode) = match fs::metadata(path) {
        Ok(metadata) => {
            let wanted = if metadata.is_dir() { "0755" } else { "0644" };
            (wanted, format!("its mode is {:04o}", metadata.permissions().mode() & 0o7777))
        }
        Err(_) => ("0644", "its mode is hidden".to_owned()), // the folder above is closed: the error above says it
    };
    let user = nix::unistd::geteuid();
    refused(format!(
        "cannot read '{path_text}' as user {user}: {error}, {mode}; it holds no secret: run 'chmod {wanted} {path_text}'"
    ))
}

const MAIN: &str = "etc/waagent.conf";
const DROP_INS: &str = "etc/waagent.conf.d";
/// For images whose `/etc` is empty.
const VENDOR: &str = "usr/lib/waagent/waagent.conf";
const BUILT_IN: &str = include_str!("../../../config/waagent.conf");
/// Bytes of one file.
const LARGEST: u64 = 1 << 20;
const MOST_DROP_INS: usize = 64;
const TRIES: u32 = 3;
