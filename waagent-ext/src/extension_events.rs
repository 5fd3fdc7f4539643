//! What handlers write for telemetry, which nobody sends yet: the newest stays, the rest goes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::CString;

use nix::dir::Dir;
use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use waagent_common::folder::{self, Folder};
use waagent_common::root::Root;
use waagent_common::text::counted;
use waagent_common::{log, resident};

/// What a folder may hold.
#[derive(Debug, Clone, Copy)]
struct Limits {
    files: usize,
    /// All files together.
    bytes: u64,
}

/// `<logs>/<handler>/events`, of each handler.
const OF_ONE: Limits = Limits { files: 2000, bytes: 64 << 20 };
/// `<lib>/events`, of all handlers together: as many files as the reference agent leaves (WALinuxAgent,
/// `common/event.py`), of 64 KiB.
const OF_ALL: Limits = Limits { files: 1000, bytes: 1000 * (64 << 10) };
/// Folders of handlers that are looked into.
const MAX_FOLDERS: usize = 1000;

/// Bounds the folders of events below `logs`, that is `Extension.LogDir`, and the older one.
pub(crate) fn bound(root: &Root, logs: &str) {
    if let Ok(folder) = Folder::open(&root.state_path("events")) {
        keep_newest(&folder, OF_ALL);
    }
    let Ok(logs) = Folder::open(&root.path(logs)) else { return };
    for name in logs.names(MAX_FOLDERS) {
        let events = logs.enter(&name).and_then(|handler| handler.enter("events"));
        if let Ok(events) = events {
            keep_newest(&events, OF_ONE);
        }
    }
}

/// A file: the oldest is the smallest.
type Entry = ((i64, i64), CString, u64);

fn keep_newest(folder: &Folder, limits: Limits) {
    let removed = remove_older(folder, limits);
    match removed {
        Ok(0) => {}
        Ok(removed) => log::info(&format!(
            "removed {} from '{}': at most {} and {} bytes are kept",
            counted(removed, "file"),
            folder.path().display(),
            limits.files,
            limits.bytes
        )),
        Err(error) => {
            log::warning(&format!("cannot bound '{}': {error}, ignoring", folder.path().display()));
        }
    }
}

/// Says how many were removed. However many there are, no more than `most` are held in memory.
fn remove_older(folder: &Folder, limits: Limits) -> nix::Result<usize> {
    let mut entries = Dir::openat(folder, ".", folder::FLAGS, Mode::empty())?;
    let mut newest: BinaryHeap<Reverse<Entry>> = BinaryHeap::new();
    let mut removed = 0;
    for entry in entries.iter().take_while(|_| !resident::must_end()) {
        newest.extend(look(folder, entry?.file_name().to_owned()).map(Reverse));
        if newest.len() > limits.files
            && let Some(Reverse((_, oldest, _))) = newest.pop()
        {
            removed += remove(folder, &oldest)?;
        }
    }
    let mut left = limits.bytes;
    // Of the reversed order: the newest first.
    for Reverse((_, name, size)) in newest.into_sorted_vec() {
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => removed += remove(folder, &name)?,
        }
    }
    Ok(removed)
}

/// What counts: everything but folders, which no handler makes here. What vanished meanwhile doesn't.
fn look(folder: &Folder, name: CString) -> Option<Entry> {
    let stat = fstatat(folder, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    (kind != SFlag::S_IFDIR).then_some(((stat.st_mtime, stat.st_mtime_nsec), name, size))
}

fn remove(folder: &Folder, name: &CString) -> nix::Result<usize> {
    match unlinkat(folder, name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
        Ok(()) => Ok(1),
        Err(nix::errno::Errno::ENOENT) => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use nix::sys::stat::utimes;
    use nix::sys::time::TimeVal;

    use super::*;

    fn write(folder: &Path, name: &str, bytes: usize, second: i64) {
        let path = folder.join(name);
        fs::write(&path, "x".repeat(bytes)).unwrap();
        let time = TimeVal::new(second, 0);
        utimes(&path, &time, &time).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_newest_stay_within_both_bounds_and_nothing_outside_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        fs::create_dir_all(path.join("folder")).unwrap();
        for (name, size, second) in [("1", 10, 1), ("2", 40, 2), ("3", 70, 3), ("4", 40, 4), ("5", 10, 5)] {
            write(&path, name, size, second);
        }
        fs::write(dir.path().join("kept"), "x").unwrap();
        symlink(dir.path().join("kept"), path.join("link")).unwrap();
        let folder = Folder::open(&path).unwrap();
        assert_eq!(remove_older(&folder, Limits { files: 6, bytes: 1000 }).unwrap(), 0);
        // The link is the newest; then 5 and 4; 3 is too big; 2 and 1 are too old.
        assert_eq!(remove_older(&folder, Limits { files: 4, bytes: 110 }).unwrap(), 3);
        assert_eq!(names(&path), ["4", "5", "folder", "link"]);
        assert!(dir.path().join("kept").exists());
    }
}
