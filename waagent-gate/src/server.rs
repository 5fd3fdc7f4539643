//! The loop: peers are accepted, checked, and served side by side, so that a slow target or peer holds up nobody else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{getsockopt, sockopt};
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::gate::protocol::Answer;
use waagent_common::sandbox::Sandbox;
use waagent_common::sys::accept::accept_peer;
use waagent_common::{log, program, wait};

use crate::connection::Connection;
use crate::documents::Documents;
use crate::office::Office;
use crate::peer::answer;
use crate::queue::{MAX_WAITING, Queue};

/// Peers that are served at a time, of the fetcher and of root each: neither takes the other's places.
pub const MAX_PEERS: usize = 8;

/// Serves peers of this user, and root, until something breaks.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    fetcher: Option<u32>,
    office: Office,
    connections: Vec<Connection>,
    /// Of root, and of the fetcher.
    waiting: (Queue, Queue),
}

impl Server {
    /// On a listening socket; `fetcher` is the user number of waagent-fetch, if there is such a user.
    pub fn new(listener: OwnedFd, fetcher: Option<u32>, documents: Documents) -> Self {
        let (connections, waiting) = (Vec::new(), Default::default());
        Self { listener, fetcher, office: Office::new(documents), connections, waiting }
    }

    /// Serves until the sandbox is outdated and the last request has ended. Who knocks meanwhile stays in the socket's
    /// queue, for the next process.
    pub fn serve(mut self, sandbox: &Sandbox) -> Result<Outcome, Fault> {
        let mut outdated = None;
        loop {
            let (is_knocking, happened) = self.wait(outdated.is_none())?;
            if outdated.is_none() && (is_knocking || self.connections.is_empty()) {
                outdated = program::outdated(sandbox);
            }
            let now = Instant::now();
            self.advance(happened, now);
            if outdated.is_none() {
                if is_knocking {
                    self.accept()?;
                }
                self.seat(now);
                continue;
            }
            self.waiting = Default::default();
            if let Some(outdated) = outdated.take_if(|_| self.connections.is_empty()) {
                return Ok(outdated);
            }
        }
    }

    fn advance(&mut self, happened: Vec<Option<PollFlags>>, now: Instant) {
        for (connection, events) in self.connections.iter_mut().zip(happened) {
            if let Some(events) = events {
                connection.advance(&mut self.office, events, now);
            }
            // Also one that something happens to all the time.
            connection.expire(&mut self.office.counts, now);
        }
        self.connections.retain(|connection| !connection.is_over());
    }

    /// Who waits gets a place, while there is one.
    fn seat(&mut self, now: Instant) {
        for (is_root, queue) in [(true, &mut self.waiting.0), (false, &mut self.waiting.1)] {
            let taken = self.connections.iter().filter(|connection| connection.is_root() == is_root).count();
            let peers = queue.take(MAX_PEERS.saturating_sub(taken));
            self.connections.extend(peers.map(|peer| Connection::new(peer, is_root, now)));
        }
    }

    /// Is there a new peer; and of each connection: did something happen that it awaits, and what at its peer?
    fn wait(&self, is_open: bool) -> Result<(bool, Vec<Option<PollFlags>>), Fault> {
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(4 * MAX_PEERS + 1);
        if is_open {
            polled.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        for awaited in self.connections.iter().flat_map(Connection::awaited).flatten() {
            polled.push(PollFd::new(awaited.0, awaited.1));
        }
        wait::ready(&mut polled, self.patience()).map_err(|error| broken("poll", &error.into()))?;
        let mut events = polled.iter().map(|polled| polled.revents().unwrap_or(PollFlags::empty()));
        let is_knocking = is_open && events.next().is_some_and(|events| !events.is_empty());
        let of_each = self.connections.iter().map(|connection| {
            let mut next =
                |awaited: bool| if awaited { events.next() } else { None }.unwrap_or(PollFlags::empty());
            let [peer, platform] = connection.awaited().map(|awaited| next(awaited.is_some()));
            (!peer.is_empty() || !platform.is_empty()).then_some(peer)
        });
        Ok((is_knocking, of_each.collect()))
    }

    /// Until the first deadline.
    fn patience(&self) -> Option<Duration> {
        let first = self.connections.iter().map(Connection::deadline).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self) -> Result<(), Fault> {
        let peer = match accept_peer(self.listener.as_fd()) {
            Ok(peer) => peer,
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => return Err(broken("accept", &error)),
        };
        let credentials = match getsockopt(&peer, sockopt::PeerCredentials) {
            Ok(credentials) => credentials,
            Err(error) => {
                log::verbose(&format!("cannot learn who a peer is: {error}, ignoring"));
                return Ok(());
            }
        };
        let queue = if credentials.uid() == 0 {
            &mut self.waiting.0
        } else if Some(credentials.uid()) == self.fetcher {
            &mut self.waiting.1
        } else {
            answer(peer.as_fd(), Answer::Stranger);
            self.office.counts.dismiss(&credentials);
            return Ok(());
        };
        if let Err(peer) = queue.add(peer) {
            answer(peer.as_fd(), Answer::Failed);
            self.office.counts.fail(&format!("more than {MAX_WAITING} requests wait"));
        }
        Ok(())
    }
}

/// The peer went away before it was accepted, or a signal came.
fn gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

fn broken(act: &str, error: &io::Error) -> Fault {
    Fault::new(Exit::Os, format!("cannot serve on descriptor '3': {act}: {error}"))
}
