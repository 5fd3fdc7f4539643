//! SELinux labels: a new file system has none, and confined programs can't use what is unlabelled.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;

use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sys::label;

/// Types that both Debian's and Fedora's policy know.
pub(crate) const MOUNT_POINT: &str = "mnt_t";
/// Of a swap file.
pub(crate) const SWAP_FILE: &str = "swapfile_t";

const SELINUX: &str = "/sys/fs/selinux";

/// Is SELinux on, for the tree that we work in?
pub(crate) fn is_on(root: &Root) -> bool {
    root.is_live() && Path::new(SELINUX).join("enforce").exists()
}

/// Gives the type to an open file or folder that hasn't got it.
pub(crate) fn set(file: BorrowedFd<'_>, kind: &str) -> Result<(), Fault> {
    // A policy without levels refuses labels that have one.
    let has_levels = fs::read_to_string(Path::new(SELINUX).join("mls")).is_ok_and(|mls| mls.trim() == "1");
    let wanted = format!("system_u:object_r:{kind}{}", if has_levels { ":s0" } else { "" });
    let failed =
        |error: std::io::Error| Fault::new(Exit::Os, format!("cannot set label '{wanted}': {error}"));
    if label::get(file).map_err(failed)?.is_some_and(|now| now.split(':').nth(2) == Some(kind)) {
        return Ok(());
    }
    label::set(file, &wanted).map_err(failed)
}
