//! Tells people that what they put on the disk will be lost.

use std::path::Path;

use waagent_common::durable;
use waagent_common::log;

/// The name that monitoring and cloud-init know.
pub(crate) const NAME: &str = "DATALOSS_WARNING_README.txt";

const TEXT: &str = "\
WARNING: THIS IS A TEMPORARY DISK.

Any data stored on this disk is SUBJECT TO LOSS and CANNOT BE RECOVERED:
it is gone when the virtual machine is deallocated, resized, redeployed or
moved to other hardware. Please do not use it for personal or application data.

https://learn.microsoft.com/azure/virtual-machines/managed-disks-overview#temporary-disk
";

/// Writes it unless it is there; one that can't be changed (another tool makes it immutable) says the same.
pub(crate) fn write(mount_point: &Path) {
    let path = mount_point.join(NAME);
    if durable::read_bounded(&path, 64 << 10).is_ok_and(|bytes| bytes == TEXT.as_bytes()) {
        return;
    }
    match durable::write(&path, TEXT.as_bytes(), 0o644) {
        Ok(()) => {}
        Err(_) if path.symlink_metadata().is_ok_and(|meta| meta.is_file()) => {}
        Err(fault) => log::warning(&format!("{fault}, ignoring")),
    }
}
