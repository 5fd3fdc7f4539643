//! What PID 1 is asked to do: flags in `<run>/disk`, each one line.
//!
//! - `mount`: why. When the run has ended, `waagent-resource.timer` starts `mnt-resource.mount`. Who plays PID 1 without
//!   systemd finds device node, file system, options and mount point in the document
//!   `<lib>/disk/resource.json` (`partition.node`, `filesystem`, `mount_options`, `mount_point`), mounts, and starts `waagent-disk resource --mounted`.
//! - `swap`: the path of the swap file. When the run has ended, `waagent-swap.timer` starts its swap unit; without systemd:
//!   `swapon` of that path.
//! - `scsi-timeout`: seconds. Read by the udev rule for disks that are attached later.

use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::root::Root;

/// A flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// Mount the resource disk.
    Mount,
    /// Swap on its swap file.
    Swap,
    /// Timeout of SCSI disks.
    ScsiTimeout,
}

impl Flag {
    const fn path(self) -> &'static str {
        match self {
            Self::Mount => "disk/mount",
            Self::Swap => "disk/swap",
            Self::ScsiTimeout => "disk/scsi-timeout",
        }
    }

    /// Sets it anew, so that PID 1 sees it also where it was set before.
    pub(crate) fn raise(self, root: &Root, line: &str) -> Result<(), Fault> {
        durable::write(&root.runtime_path(self.path()), format!("{line}\n").as_bytes(), 0o644)
    }

    /// Sets it unless it says so already.
    pub(crate) fn keep(self, root: &Root, line: &str) -> Result<(), Fault> {
        let before = durable::read_bounded(&root.runtime_path(self.path()), 4096).unwrap_or_default();
        if before == format!("{line}\n").as_bytes() { Ok(()) } else { self.raise(root, line) }
    }

    /// Removes it.
    pub(crate) fn lower(self, root: &Root) -> Result<(), Fault> {
        durable::remove(&root.runtime_path(self.path())).map(|_| ())
    }
}
