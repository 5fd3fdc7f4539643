//! Which boot this is, and which run of the chain.

use std::os::unix::fs::MetadataExt;

use crate::durable::read_bounded;
use crate::root::Root;

/// The boot's id, see random(4); empty where the kernel doesn't tell.
pub fn id() -> String {
    let bytes = read_bounded("/proc/sys/kernel/random/boot_id".as_ref(), 64).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Inode and change time of `<run>/chain`, which is made anew at each start of the chain; empty where there is none.
pub fn chain_id(root: &Root) -> String {
    std::fs::metadata(root.runtime_path("chain")).map_or_else(
        |_none| String::new(),
        |meta| format!("{}-{}.{:09}", meta.ino(), meta.ctime(), meta.ctime_nsec()),
    )
}
