//! After the mount: label, warning file, swap file.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::Result;
use waagent_common::documents::{DiskPhase, DiskState, ResourceDisk, SwapState};
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::root::Root;

use super::disk::Disk;
use super::flags::Flag;
use super::label;
use super::mounts;
use super::swap;
use super::wanted::{MOUNT_POINT, Wanted};
use super::warning_file;

/// Works on the mounted disk; `file_system` is what it is mounted as. Returns the result line.
pub(crate) fn finish(
    root: &Root,
    disk: &Disk,
    wanted: &Wanted,
    file_system: &str,
    body: &mut ResourceDisk,
) -> Result<String> {
    let point = root.path(MOUNT_POINT);
    let is_selinux = label::is_on(root);
    body.state = DiskState::Mounted;
    body.phase = DiskPhase::Mounted;
    body.filesystem = Some(file_system.to_owned());
    body.mount_point = Some(MOUNT_POINT.to_owned());
    body.mount_options.clone_from(&wanted.options);
    let all = mounts::all()?;
    // Looked at again: what is mounted there now must be this disk, uppermost.
    let mount = mounts::at(&all, &point)
        .ok_or_else(|| Fault::io(format!("'{}' isn't a mount point", point.display())))?;
    let child = disk.children().into_iter().find(|child| child.number == mount.number);
    if child.is_none() && mount.number != disk.number {
        let text = format!("'{}' is covered by '{}'; unmount that", point.display(), mount.source);
        return Err(Fault::io(text).into());
    }
    body.partition = child.as_ref().map(super::disk::Child::describe);
    body.reason = format!("mounted at '{MOUNT_POINT}'");
    if is_selinux {
        label_root(&point);
    }
    warning_file::write(&point);
    let mounted =
        format!("'{}' is mounted at '{MOUNT_POINT}' ({file_system}, {} MiB)", disk.name, disk.size >> 20);
    let Some(asked) = wanted.swap else { return Ok(mounted) };
    let made = swap::make(&point, file_system, asked, is_selinux);
    let said = if made.state == SwapState::Ready {
        Flag::Swap.raise(root, &made.path)?;
        format!("{mounted}; asked for swap on '{}'", made.path)
    } else {
        format!("{mounted}; swap: {}", made.state)
    };
    body.swap = Some(made);
    Ok(said)
}

fn label_root(point: &Path) {
    let opened = File::open(point).map_err(|e| Fault::io(format!("cannot open '{}': {e}", point.display())));
    if let Err(fault) = opened.and_then(|folder| label::set(folder.as_fd(), label::MOUNT_POINT)) {
        log::warning(&format!("{fault}, ignoring"));
    }
}
