//! Waiting for device nodes to appear or change.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::inotify::AddWatchFlags;

use crate::fault::{Exit, Fault};
use crate::wait;
use crate::watch::Watch;

/// Where udev keeps what it knows of a device, once it is done with it (systemd, src/libsystemd/sd-device).
const RECORDS: &str = "/run/udev/data";

/// Changes in `/dev` since this was made: what appears between a look and a wait isn't missed.
#[derive(Debug)]
pub struct Changes {
    nodes: Watch<()>,
    udev: bool,
}

impl Changes {
    /// Begins to watch.
    pub fn watch() -> Result<Self, Fault> {
        let mut nodes = Watch::new()?;
        nodes
            .add(Path::new("/dev"), AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ATTRIB, ())
            .map_err(|error| Fault::new(Exit::Os, format!("cannot watch '/dev': {error}")))?;
        Ok(Self { nodes, udev: false })
    }

    /// Begins to watch, for nodes that are of use only when udev is done with them.
    pub fn watch_with_udev() -> Result<Self, Fault> {
        let mut changes = Self::watch()?;
        // Where there is no udev, nodes are what they are.
        changes.udev = changes.nodes.add(Path::new(RECORDS), AddWatchFlags::IN_MOVED_TO, ()).is_ok();
        Ok(changes)
    }

    /// Is udev done with the block device of this number, `major:minor`? A node gets its group first, then its SELinux
    /// label, then its record: in between it looks open and isn't.
    pub fn is_settled(&self, number: &str) -> bool {
        !self.udev || Path::new(RECORDS).join(format!("b{number}")).exists()
    }

    /// Until something has changed, or this time is up.
    pub fn wait(&mut self, left: Duration) -> Result<(), Fault> {
        let mut fds = [PollFd::new(self.nodes.as_fd(), PollFlags::POLLIN)];
        wait::ready(&mut fds, Some(left))
            .map_err(|error| Fault::new(Exit::Os, format!("cannot wait for '/dev': {error}")))?;
        // What changed doesn't matter: everything is looked at again.
        self.nodes.changes(|_| {})
    }
}
