//! What the resident program waits for: changed documents, signals, its own workers, time.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::AddWatchFlags;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::watch::{Change, Watch};
use waagent_common::{log, resident};

/// Folders whose documents we read, and where a failed unit leaves a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// `certs/`
    Certs,
    /// `ext/`
    Ext,
    /// `fetch/failed/`
    Failed,
    /// `net/`
    Net,
    /// `provision/`
    Provision,
}

impl Folder {
    const ALL: [Self; 5] = [Self::Certs, Self::Ext, Self::Failed, Self::Net, Self::Provision];

    /// Below the agent's folder.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Certs => "certs",
            Self::Ext => "ext",
            Self::Failed => "fetch/failed",
            Self::Net => "net",
            Self::Provision => "provision",
        }
    }
}

/// What was heard.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Wakeup {
    /// Files that were put in place.
    pub changed: Vec<(Folder, String)>,
    /// Some changes were lost: look at everything.
    pub overflow: bool,
}

/// The descriptors.
#[derive(Debug)]
pub struct Events {
    folders: Watch<Folder>,
    wake: Arc<EventFd>,
}

impl Events {
    /// Begins to listen: what changes from now on isn't missed.
    pub fn new(root: &Root) -> Result<Self, Fault> {
        let mut folders = Watch::new()?;
        for folder in Folder::ALL {
            let path = root.state_path(folder.path());
            let watched = folders.add(&path, AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR, folder);
            if let Err(error) = watched {
                log::warning(&format!("cannot watch '{}': {error}, ignoring it", path.display()));
            }
        }
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| Fault::new(Exit::Os, format!("cannot make an eventfd: {error}")))?;
        Ok(Self { folders, wake: Arc::new(wake) })
    }

    /// By which a worker says that it is done.
    pub fn waker(&self) -> Arc<EventFd> {
        Arc::clone(&self.wake)
    }

    /// Waits at most this long.
    pub fn wait(&mut self, limit: Duration) -> Result<Wakeup, Fault> {
        resident::sleep(&[self.folders.as_fd(), self.wake.as_fd()], Some(limit))?;
        // Workers are asked in any case: a wakeup that wasn't one costs a look.
        let _woken = self.wake.read();
        let mut heard = Wakeup::default();
        self.folders.changes(|change| match change {
            Change::Overflow => heard.overflow = true,
            Change::In(folder, name) => heard.changed.push((*folder, name)),
            // It comes with the package, and goes with it.
            Change::Gone(_) => {}
        })?;
        Ok(heard)
    }
}
