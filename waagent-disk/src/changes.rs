//! Waiting for device nodes to appear or change.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use waagent_common::fault::{Exit, Fault};

/// Changes in `/dev` since this was made: what appears between a look and a wait isn't missed.
#[derive(Debug)]
pub struct Changes(Inotify);

impl Changes {
    /// Begins to watch.
    pub fn watch() -> Result<Self, Fault> {
        let watched = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).and_then(|inotify| {
            inotify
                .add_watch("/dev", AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ATTRIB)
                .map(|_| Self(inotify))
        });
        watched.map_err(|error| Fault::new(Exit::Os, format!("cannot watch '/dev': {error}")))
    }

    /// Until something has changed, or this time is up.
    pub fn wait(&self, left: Duration) -> Result<(), Fault> {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        let waited = match ready {
            // What changed doesn't matter: everything is looked at again.
            Ok(1..) => self.0.read_events().map(|_| ()),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error),
        };
        waited.map_err(|error| Fault::new(Exit::Os, format!("cannot wait for '/dev': {error}")))
    }
}
