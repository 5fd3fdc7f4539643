//! A request and its answer under way: both directions side by side, so that an early answer to a large body gets through.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{Shutdown, shutdown};

use crate::pipe::{Moved, Pipe, look};
use crate::refusal::Refusal;

/// Between a peer and the platform that is connected.
#[derive(Debug)]
pub(crate) struct Exchange {
    platform: OwnedFd,
    /// Head and body to the platform.
    up: Pipe,
    /// Why the platform takes no more of the request: it has answered early, or gone.
    deaf: Option<Errno>,
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
        Self { platform, up, deaf: None, down }
    }

    /// What to wait for at the peer.
    pub(crate) fn of_peer(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        // When the request is whole, only its going away is to be heard.
        events.set(PollFlags::POLLIN, self.deaf.is_none() && (self.up.wants_more() || !self.up.is_open()));
        events.set(PollFlags::POLLOUT, self.down.is_full());
        events
    }

    /// What to wait for at the platform, if there is anything: a side that has gone would wake us for ever.
    pub(crate) fn of_platform(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, !self.down.is_full());
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
        if self.deaf.is_some() {
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
            Err(why) => {
                self.deaf = Some(why);
                self.up.close();
                Ok(true)
            }
        }
    }

    /// Platform to peer. Did anything move?
    fn answer(&mut self, peer: BorrowedFd<'_>) -> Result<bool, Progress> {
        let is_all = !self.down.is_open() && !self.down.is_full();
        let read = if is_all { look(self.platform.as_fd()) } else { self.down.read(self.platform.as_fd()) };
        let read = read.map_err(|error| broken("the platform", error))?;
        if is_all && matches!(read, Moved::Bytes(_)) {
            return Err(Progress::Broken("an answer longer than the row allows".to_owned()));
        }
        if read == Moved::Ended {
            return Err(self.ended(peer));
        }
        let written = self.down.write(peer).map_err(|error| broken("the fetcher", error))?;
        Ok(read != Moved::Nothing || written != Moved::Nothing)
    }

    /// The platform's end is read, and all before it was written.
    ///
    /// A reset is told once: whoever hears it in writing reads an end. Only with EPIPE the end had come before it
    /// (net/ipv4/tcp_input.c, `tcp_reset`).
    fn ended(&self, peer: BorrowedFd<'_>) -> Progress {
        match self.deaf {
            None | Some(Errno::EPIPE) => match shutdown(peer.as_raw_fd(), Shutdown::Write) {
                Ok(()) => Progress::Delivered,
                Err(error) => broken("the fetcher", error),
            },
            Some(error) => broken("the platform", error),
        }
    }
}

/// The request is whole: what comes now is one of its own that tries to hide behind it, or the peer has gone.
fn heard_nothing_more(peer: BorrowedFd<'_>) -> Result<(), Progress> {
    match look(peer).map_err(|error| broken("the fetcher", error))? {
        Moved::Ended => Err(gone("the fetcher")),
        Moved::Bytes(_) => {
            Err(Progress::Refused(Refusal::new("more bytes than the Content-Length announced")))
        }
        Moved::Nothing => Ok(()),
    }
}

fn gone(who: &str) -> Progress {
    Progress::Broken(format!("{who} has gone"))
}

fn broken(who: &str, error: Errno) -> Progress {
    Progress::Broken(format!("{who}: {error}"))
}
