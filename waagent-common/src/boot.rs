//! Which boot this is, and which run of the chain.

use std::os::unix::fs::MetadataExt;

use crate::durable::read_bounded;
use crate::place::Place;

/// The boot's id, see random(4); empty where the kernel doesn't tell.
pub fn id() -> String {
    let bytes = read_bounded("/proc/sys/kernel/random/boot_id".as_ref(), 64).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// Inode and change time of `<run>/chain`, which is made anew at each start of the chain; empty where there is none.
pub fn chain_id(place: &Place) -> String {
    std::fs::metadata(place.run("chain")).map_or_else(
        |_none| String::new(),
        |meta| format!("{}-{}.{:09}", meta.ino(), meta.ctime(), meta.ctime_nsec()),
    )
}
