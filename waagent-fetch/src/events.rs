//! What the resident program waits for: changed documents, signals, its own workers, time.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::sync::Arc;
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::place::Place;

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
    /// A worker has something to say.
    pub worker: bool,
    /// The program is to end.
    pub stop: bool,
}

/// The descriptors.
#[derive(Debug)]
pub struct Events {
    inotify: Inotify,
    watches: Vec<(WatchDescriptor, Folder)>,
    signals: SignalFd,
    wake: Arc<EventFd>,
}

impl Events {
    /// Begins to listen: what changes from now on isn't missed.
    pub fn new(place: &Place) -> Result<Self, Fault> {
        let failed = |what: &str, error: Errno| Fault::new(Exit::Os, format!("cannot {what}: {error}"));
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(|error| failed("watch files", error))?;
        let mut watches = Vec::new();
        for folder in Folder::ALL {
            let path = place.lib(folder.path());
            match inotify.add_watch(&path, AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR) {
                Ok(watch) => watches.push((watch, folder)),
                Err(error) => {
                    log::warning(&format!("cannot watch '{}': {error}, ignoring it", path.display()));
                }
            }
        }
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTERM);
        stop.add(Signal::SIGINT);
        stop.thread_block().map_err(|error| failed("hold signals back", error))?;
        let signals = SignalFd::with_flags(&stop, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|error| failed("listen for signals", error))?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|error| failed("make an eventfd", error))?;
        Ok(Self { inotify, watches, signals, wake: Arc::new(wake) })
    }

    /// By which a worker says that it is done.
    pub fn waker(&self) -> Arc<EventFd> {
        Arc::clone(&self.wake)
    }

    /// Waits at most this long.
    pub fn wait(&self, limit: Duration) -> Result<Wakeup, Fault> {
        let mut fds = [
            PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
        ];
        let limit = PollTimeout::try_from(limit.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, limit) {
            Ok(0) | Err(Errno::EINTR) => return Ok(Wakeup::default()),
            Ok(_) => {}
            Err(error) => return Err(Fault::new(Exit::Os, format!("cannot wait: {error}"))),
        }
        let [files, signals, wake] = fds.map(|fd| fd.any().unwrap_or(false));
        let mut heard = Wakeup::default();
        if files {
            self.files(&mut heard)?;
        }
        // Whatever the descriptor says: a wakeup that wasn't one costs a look.
        heard.worker = wake && self.wake.read().is_ok();
        heard.stop = signals;
        Ok(heard)
    }

    fn files(&self, heard: &mut Wakeup) -> Result<(), Fault> {
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(Fault::new(Exit::Os, format!("cannot read file events: {error}"))),
        };
        for event in events {
            if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                heard.overflow = true;
            }
            let folder = self.watches.iter().find(|(watch, _)| *watch == event.wd).map(|(_, folder)| *folder);
            if let (Some(folder), Some(name)) = (folder, event.name) {
                heard.changed.push((folder, name.to_string_lossy().into_owned()));
            }
        }
        Ok(())
    }
}
