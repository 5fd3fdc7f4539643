//! Makes the kernel know a partition, also a kernel that has no parser for partition tables.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use waagent_common::device_nodes::Changes;
use waagent_common::fault::{Exit, Fault};
use waagent_common::sys::partition;

use super::attempt::Need;
use super::disk::{Child, Disk, Number};
use super::partition::Partition;

/// How long the device node of a new partition may take.
const FOR_THE_NODE: Duration = Duration::from_secs(25);

/// The partition as the kernel knows it, after it was told if it had to be; with its device node there.
pub(crate) fn know(disk: &Disk, wanted: &Partition) -> Result<Child, Fault> {
    if let Some(child) = known(disk, wanted) {
        return with_node(disk, child);
    }
    // A kernel with a parser does it all; one without says that it did, and shows nothing. One that can't while
    // something is open says EBUSY. What counts is what it shows then.
    let reread = partition::reread(disk.file.as_fd());
    if let Some(child) = known(disk, wanted) {
        return with_node(disk, child);
    }
    add(disk, wanted).map_err(|error| {
        let reread = reread.err().map_or_else(|| "shows nothing".to_owned(), |error| error.to_string());
        Fault::new(
            Exit::Os,
            format!("cannot make the kernel know partition {} of '{}': {error} (reading the table again: {reread}); restart the machine", wanted.number, disk.name),
        )
    })?;
    let child = known(disk, wanted).ok_or_else(|| {
        Fault::new(
            Exit::Os,
            format!("the kernel doesn't show partition {} of '{}'", wanted.number, disk.name),
        )
    })?;
    with_node(disk, child)
}

fn known(disk: &Disk, wanted: &Partition) -> Option<Child> {
    disk.children().into_iter().find(|child| {
        (child.partition, child.start, child.length) == (wanted.number, wanted.start, wanted.length)
    })
}

/// Removes what the kernel believes and the table doesn't say, then adds.
fn add(disk: &Disk, wanted: &Partition) -> std::io::Result<()> {
    for stale in disk.children() {
        partition::remove(disk.file.as_fd(), i32::try_from(stale.partition).unwrap_or(0))?;
    }
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let added = partition::add(
        disk.file.as_fd(),
        i32::try_from(wanted.number).unwrap_or(0),
        number(wanted.start),
        number(wanted.length),
    );
    match added {
        // Somebody else (udev) was quicker.
        Err(error) if error.raw_os_error() == Some(libc_ebusy()) => Ok(()),
        other => other,
    }
}

#[expect(clippy::as_conversions, reason = "an enum's discriminant: its number")]
const fn libc_ebusy() -> i32 {
    Errno::EBUSY as i32
}

/// Waits for the node, which devtmpfs or udev makes, and makes sure that it is the one, and that it may be opened.
fn with_node(disk: &Disk, child: Child) -> Result<Child, Fault> {
    let mut changes = Changes::watch()?;
    let deadline = Instant::now() + FOR_THE_NODE;
    loop {
        if is_there(&child.node(), child.number) {
            if File::open(child.node()).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
                disk.attempt.ask(Need::Nodes);
            }
            return Ok(child);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = format!("'{}' never appeared; restart the machine", child.node().display());
            return Err(Fault::new(Exit::Os, text));
        }
        changes.wait(left)?;
    }
}

fn is_there(node: &Path, number: Number) -> bool {
    std::fs::symlink_metadata(node).is_ok_and(|meta| meta.rdev() != 0 && Number::of(&meta) == Some(number))
}
