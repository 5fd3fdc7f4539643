//! Files that a program knows by name, and whether the names still lead to the same files.
//!
//! A Landlock rule holds the file (its inode), not the name: useradd, editors and package managers write a new file and
//! rename it into place, and the new one is closed to whoever entered the sandbox before (landlock(7)). What was read
//! before is out of date then. A program that stays learns it here, ends, and is started anew.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names, each with the file that it led to when it was noted.
#[derive(Debug, Clone, Default)]
pub struct Names {
    known: BTreeMap<PathBuf, Noted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noted {
    with_entries: bool,
    print: Option<Print>,
}

/// What tells a file from another one in its place, and a regular file from its own older content. A folder's entries
/// are no part of it, unless asked for: a rule for a folder holds for whatever comes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    device: u64,
    inode: u64,
    /// Of a file: who may read it decides what it is good for.
    mode: Option<u32>,
    content: Option<(u64, i64, i64)>,
}

impl Names {
    /// Notes where a name leads now, to nothing perhaps. The first note of a name stands.
    pub fn note(&mut self, path: &Path) {
        self.add(path, false);
    }

    /// Notes a folder together with which entries it has.
    pub fn note_with_entries(&mut self, folder: &Path) {
        self.add(folder, true);
    }

    fn add(&mut self, path: &Path, with_entries: bool) {
        if !self.known.contains_key(path) {
            let known = Noted { with_entries, print: print(path, with_entries) };
            self.known.insert(path.to_owned(), known);
        }
    }

    /// Takes over the notes of others.
    pub fn extend(&mut self, others: Names) {
        for (path, known) in others.known {
            self.known.entry(path).or_insert(known);
        }
    }

    /// The first name that leads elsewhere now, or to other content.
    pub fn moved(&self) -> Option<&Path> {
        let moved = |(path, known): &(&PathBuf, &Noted)| print(path, known.with_entries) != known.print;
        self.known.iter().find(moved).map(|(path, _)| path.as_path())
    }
}

/// Landlock doesn't hinder stat(2): the answer is the same inside the sandbox.
fn print(path: &Path, with_entries: bool) -> Option<Print> {
    // Whatever the reason why it can't be looked at, it can't be read either: that is the same as its absence.
    std::fs::metadata(path).ok().map(|meta| Print {
        device: meta.dev(),
        inode: meta.ino(),
        mode: meta.is_file().then(|| meta.mode()),
        content: (meta.is_file() || with_entries).then(|| content(&meta)),
    })
}

fn content(meta: &Metadata) -> (u64, i64, i64) {
    (meta.len(), meta.mtime(), meta.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn sees_a_name_that_leads_to_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, new) = (dir.path().join("hosts"), dir.path().join("hosts.new"));
        fs::write(&file, "127.0.0.1 localhost\n").unwrap();
        let mut names = Names::default();
        names.note(&file);
        assert_eq!(names.moved(), None);

        fs::copy(&file, &new).unwrap();
        fs::rename(&new, &file).unwrap();
        assert_eq!(names.moved(), Some(file.as_path()));
    }

    #[test]
    fn sees_what_comes_goes_and_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let (here, gone, later) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        fs::write(&here, "one").unwrap();
        fs::write(&gone, "one").unwrap();
        let noted = |path: &Path| {
            let mut names = Names::default();
            names.note(path);
            names
        };
        let names = [noted(&here), noted(&gone), noted(&later)];
        assert!(names.iter().all(|names| names.moved().is_none()));
        fs::write(&here, "three").unwrap();
        fs::remove_file(&gone).unwrap();
        fs::create_dir(&later).unwrap();
        assert!(names.iter().all(|names| names.moved().is_some()));
    }

    #[test]
    fn sees_a_file_that_is_opened_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("waagent.conf");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let mut names = Names::default();
        names.note(&file);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(names.moved(), Some(file.as_path()));
    }

    #[test]
    fn a_folder_is_the_same_whatever_comes_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut names = Names::default();
        names.note(dir.path());
        fs::write(dir.path().join("new"), "").unwrap();
        assert_eq!(names.moved(), None);
    }

    #[test]
    fn its_entries_matter_where_that_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        fs::File::open(dir.path()).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let mut names = Names::default();
        names.note_with_entries(dir.path());
        assert_eq!(names.moved(), None);
        fs::write(dir.path().join("50-site.conf"), "").unwrap();
        assert_eq!(names.moved(), Some(dir.path()));
    }

    #[test]
    fn the_first_note_of_a_name_stands() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("waagent.conf");
        let mut read = Names::default();
        read.note(&file);
        fs::write(&file, "").unwrap();
        read.note(&file);
        let mut later = Names::default();
        later.note(&file);
        read.extend(later);
        assert_eq!(read.moved(), Some(file.as_path()));
    }
}
