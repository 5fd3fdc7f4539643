//! Deleting a tree that a handler had in its hands: no link is followed, no mount is entered.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::{folder, resident};

/// Deepest tree that is deleted; a descriptor is open for each level.
const MAX_DEPTH: usize = 256;
/// How often a folder is looked through while something in it goes; a process that goes on filling it isn't outrun.
const LOOKS: usize = 16;
/// How many leftovers are named.
const MAX_NAMED: usize = 20;

/// Deletes the tree as far as it can, and names what is left. A tree that isn't there is deleted.
pub fn tree(path: &Path) -> Vec<String> {
    let mut left = Vec::new();
    match openat(AT_FDCWD, path, folder::FLAGS, Mode::empty()) {
        Ok(folder) => {
            let device = fstat(&folder).map(|stat| stat.st_dev).unwrap_or_default();
            empty(&folder, device, path, MAX_DEPTH, &mut left);
            name(unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir), path, &mut left);
        }
        Err(Errno::ENOENT) => {}
        // A link or a file in the folder's place.
        Err(Errno::ELOOP | Errno::ENOTDIR) => {
            name(unlinkat(AT_FDCWD, path, UnlinkatFlags::NoRemoveDir), path, &mut left);
        }
        Err(error) => name(Err(error), path, &mut left),
    }
    left
}

/// Deletes what is in a folder, its own file system's part only. One entry is held at a time, however many there are: what is
/// deleted under a reader may cost it others (readdir(3)), so that it looks again.
fn empty(folder: &OwnedFd, device: u64, path: &Path, depth: usize, left: &mut Vec<String>) {
    let opened = openat(folder, c".", folder::FLAGS, Mode::empty()).and_then(Dir::from_fd);
    let mut entries = match opened {
        Ok(entries) => entries,
        Err(error) => return name(Err(error), path, left),
    };
    for _look in 0..LOOKS {
        if resident::must_end() {
            return name(Err(Errno::EINTR), path, left);
        }
        let (mut found, mut kept) = (false, Vec::new());
        for entry in entries.iter().map_while(Result::ok).filter(|entry| is_entry(entry.file_name())) {
            if resident::must_end() {
                break;
            }
            let below = path.join(entry.file_name().to_string_lossy().as_ref());
            match remove_entry(folder, entry.file_name(), device, &below, depth, &mut kept) {
                Ok(()) | Err(Errno::ENOENT) => found = true,
                failed => name(failed, &below, &mut kept),
            }
        }
        if !found {
            left.extend(kept);
            left.truncate(MAX_NAMED);
            return;
        }
    }
    name(Err(Errno::EBUSY), path, left);
}

fn remove_entry(
    folder: &OwnedFd,
    entry: &CStr,
    device: u64,
    path: &Path,
    depth: usize,
    left: &mut Vec<String>,
) -> nix::Result<()> {
    let stat = fstatat(folder, entry, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if !is_folder(&stat) {
        return unlinkat(folder, entry, UnlinkatFlags::NoRemoveDir);
    }
    if stat.st_dev != device {
        return Err(Errno::EXDEV);
    }
    if depth == 0 {
        return Err(Errno::ENAMETOOLONG);
    }
    let below = openat(folder, entry, folder::FLAGS, Mode::empty())?;
    // Looked at again by the descriptor: something may have been mounted meanwhile.
    if fstat(&below)?.st_dev != device {
        return Err(Errno::EXDEV);
    }
    empty(&below, device, path, depth - 1, left);
    unlinkat(folder, entry, UnlinkatFlags::RemoveDir)
}

fn is_entry(name: &CStr) -> bool {
    !matches!(name.to_bytes(), b"." | b"..")
}

fn is_folder(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR
}

/// Notes what couldn't be deleted; what vanished meanwhile is deleted.
fn name(removed: nix::Result<()>, path: &Path, left: &mut Vec<String>) {
    if let Err(error) = removed
        && error != Errno::ENOENT
        && left.len() < MAX_NAMED
    {
        left.push(format!("'{}': {error}", crate::text::shown(&path.to_string_lossy())));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn deletes_a_tree_and_nothing_that_it_points_to() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("h/a/b")).unwrap();
        fs::write(dir.path().join("kept"), "x").unwrap();
        fs::write(dir.path().join("h/a/b/f"), "x").unwrap();
        symlink(dir.path(), dir.path().join("h/a/up")).unwrap();
        symlink(dir.path().join("kept"), dir.path().join("h/link")).unwrap();
        assert_eq!(tree(&dir.path().join("h")), Vec::<String>::new());
        assert!(!dir.path().join("h").exists());
        assert!(dir.path().join("kept").exists());
        assert_eq!(tree(&dir.path().join("h")), Vec::<String>::new());
    }

    #[test]
    fn a_link_in_the_folders_place_goes_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("real")).unwrap();
        symlink(dir.path().join("real"), dir.path().join("h")).unwrap();
        assert!(tree(&dir.path().join("h")).is_empty());
        assert!(dir.path().join("real").exists() && !dir.path().join("h").exists());
    }

    #[test]
    fn a_folder_of_many_files_is_deleted_whole() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("h/queue")).unwrap();
        for number in 0..5000 {
            fs::write(dir.path().join(format!("h/queue/{}{number}", "n".repeat(200))), "").unwrap();
        }
        assert_eq!(tree(&dir.path().join("h")), Vec::<String>::new());
        assert!(!dir.path().join("h").exists());
    }

    #[test]
    fn names_what_is_too_deep_to_be_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let deep = (0..MAX_DEPTH + 2).fold(dir.path().join("h"), |path, _| path.join("d"));
        fs::create_dir_all(&deep).unwrap();
        let left = tree(&dir.path().join("h"));
        assert!(!left.is_empty() && left.len() <= MAX_NAMED);
    }
}
