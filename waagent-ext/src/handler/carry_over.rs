//! What a handler's new folder takes over from its old one: how far it was, and its last words.

use std::os::unix::fs::MetadataExt;

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use waagent_common::fault::{Exit, Fault};
use waagent_common::folder::Folder;
use waagent_common::log;
use waagent_common::resident;

use super::folder::replace;

/// Largest file and largest number of files that are copied.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 10_000;

/// Copies `mrseq` and the plain files of `status/`, with mode and times.
pub(crate) fn over(old: &Folder, new: &Folder) -> Result<(), Fault> {
    copy(old, new, "mrseq")?;
    let Ok(statuses) = old.enter("status") else { return Ok(()) };
    let into = new.make("status", 0o700)?;
    for name in statuses.names(MAX_FILES) {
        if resident::must_end() {
            return Err(Fault::new(Exit::TryAgain, "broken off"));
        }
        copy(&statuses, &into, &name)?;
    }
    Ok(())
}

fn copy(from: &Folder, to: &Folder, name: &str) -> Result<(), Fault> {
    let (bytes, meta) = match from.read(name, MAX_BYTES) {
        Ok(read) => read,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let path = from.path().join(name);
            log::warning(&format!("cannot copy '{}': {error}, ignoring", path.display()));
            return Ok(());
        }
    };
    replace(to, name, &bytes, meta.mode() & 0o777, false)?;
    let time = |seconds, nanos| TimeSpec::new(seconds, nanos);
    let times = (time(meta.atime(), meta.atime_nsec()), time(meta.mtime(), meta.mtime_nsec()));
    if let Err(error) = utimensat(to, name, &times.0, &times.1, UtimensatFlags::NoFollowSymlink) {
        log::warning(&format!(
            "cannot set the time of '{}': {error}, ignoring",
            to.path().join(name).display()
        ));
    }
    Ok(())
}
