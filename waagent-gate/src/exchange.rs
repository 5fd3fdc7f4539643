//! A request and its answer under way: both directions side by side, so that an early answer to a large body gets through.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

use crate::pipe::{Moved, Pipe};
use crate::refusal::Refusal;

/// Between a peer and the platform that is connected.
#[derive(Debug)]
pub(crate) struct Exchange {
    platform: OwnedFd,
    /// Head and body to the platform.
    up: Pipe,
    /// The platform takes no more of the request: it has answered early, or gone.
    is_deaf: bool,
    /// The answer.
    down: Pipe,
}

/// What a look at both sides came to.
#[derive(Debug)]
pub(crate) enum Progress {
    /// More is to come. Did any byte move?
    Goes(bool),
    /// The answer is delivered, and its end said.
    Delivered,
    /// One side is gone, or the answer is longer than the row allows.
    Broken(String),
    /// The peer sent more than it had announced.
    Refused(Refusal),
}

impl Exchange {
    /// With the beginning of the request, and how much of it is still to come.
    pub(crate) fn new(platform: OwnedFd, request: Vec<u8>, left: u64, answer: u64) -> Self {
        let (up, down) = (Pipe::new(request, left), Pipe::new(Vec::new(), answer));
        Self { platform, up, is_deaf: false, down }
    }

    /// What to wait for at the peer.
    pub(crate) fn of_peer(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        // When the request is whole, only its going away is to be heard.
        events.set(PollFlags::POLLIN, !self.is_deaf && (self.up.wants_more() || !self.up.is_open()));
        events.set(PollFlags::POLLOUT, self.down.is_full());
        events
    }

    /// What to wait for at the platform, if there is anything: a side that has gone would wake us for ever.
    pub(crate) fn of_platform(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, self.down.wants_more());
        events.set(PollFlags::POLLOUT, self.up.is_full());
        (!events.is_empty()).then(|| (self.platform.as_fd(), events))
    }

    /// Moves what can be moved.
    pub(crate) fn advance(&mut self, peer: BorrowedFd<'_>) -> Progress {
        let asked = match self.ask(peer) {
            Ok(moved) => moved,
            Err(end) => return end,
        };
        match self.answer(peer) {
            Ok(moved) => Progress::Goes(asked || moved),
            Err(end) => end,
        }
    }

    /// Peer to platform. Did anything move?
    fn ask(&mut self, peer: BorrowedFd<'_>) -> Result<bool, Progress> {
        if self.is_deaf {
            return Ok(false);
        }
        if !self.up.is_open() {
            heard_nothing_more(peer)?;
        }
        let read = match self.up.read(peer) {
            Ok(Moved::Ended) => return Err(gone("the fetcher")),
            Ok(moved) => moved,
            Err(error) => return Err(broken("the fetcher", error)),
        };
        match self.up.write(self.platform.as_fd()) {
            Ok(Moved::Bytes(_)) => Ok(true),
            Ok(_) => Ok(read != Moved::Nothing),
            // What it has said before is still there to be read.
            Err(_) => {
                self.is_deaf = true;
                self.up.close();
                Ok(true)
            }
        }
    }

    /// Platform to peer. Did anything move?
    fn answer(&mut self, peer: BorrowedFd<'_>) -> Result<bool, Progress> {
        let read = self.down.read(self.platform.as_fd()).map_err(|error| broken("the platform", error))?;
        let written = self.down.write(peer).map_err(|error| broken("the fetcher", error))?;
        if read == Moved::Ended {
            shutdown(peer.as_raw_fd(), Shutdown::Write).map_err(|error| broken("the fetcher", error))?;
            return Err(Progress::Delivered);
        }
        if !self.down.is_open() && !self.down.is_full() {
            return Err(Progress::Broken("an answer longer than the row allows".to_owned()));
        }
        Ok(read != Moved::Nothing || written != Moved::Nothing)
    }
}

/// The request is whole: what comes now is one of its own that tries to hide behind it, or the peer has gone.
fn heard_nothing_more(peer: BorrowedFd<'_>) -> Result<(), Progress> {
    match recv(peer.as_raw_fd(), &mut [0], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK) {
        Ok(0) => Err(gone("the fetcher")),
        Ok(_) => Err(Progress::Refused(Refusal::new("more bytes than the Content-Length announced"))),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(broken("the fetcher", error)),
    }
}

fn gone(who: &str) -> Progress {
    Progress::Broken(format!("{who} has gone"))
}

fn broken(who: &str, error: nix::errno::Errno) -> Progress {
    Progress::Broken(format!("{who}: {error}"))
}
