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

use crate::connection::{Connection, Event, answer};
use crate::counts::Counts;
use crate::documents::Documents;

/// Peers that are served at a time; more wait in the socket's queue.
pub const MAX_PEERS: usize = 8;

/// Serves peers of this user, and root, until something breaks.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    fetcher: Option<u32>,
    documents: Documents,
    connections: Vec<Connection>,
    counts: Counts,
}

impl Server {
    /// On a listening socket; `fetcher` is the user number of waagent-fetch, if there is such a user.
    pub fn new(listener: OwnedFd, fetcher: Option<u32>, documents: Documents) -> Self {
        Self { listener, fetcher, documents, connections: Vec::new(), counts: Counts::default() }
    }

    /// Serves until the sandbox is outdated. Who knocks then stays in the socket's queue, for the next process.
    pub fn serve(mut self, sandbox: &Sandbox) -> Result<Outcome, Fault> {
        loop {
            let (welcome, happened) = self.wait()?;
            if self.connections.is_empty()
                && let Some(outdated) = program::outdated(sandbox)
            {
                return Ok(outdated);
            }
            let now = Instant::now();
            for (connection, events) in self.connections.iter_mut().zip(happened) {
                let event = events.and_then(|events| connection.advance(&mut self.documents, events, now));
                match event {
                    Some(Event::Passed) => self.counts.pass(),
                    Some(Event::Refused(refusal)) => {
                        let told = format!("refused a request: {refusal}");
                        if self.counts.refuse(refusal) {
                            log::warning(&format!("{told}; {} so far", self.counts.refused()));
                        }
                    }
                    Some(Event::AsksForCounts) => connection.tell(&self.counts.to_string()),
                    None => {}
                }
                // Also one that something happens to all the time.
                connection.expire(now);
            }
            self.connections.retain(|connection| !connection.is_over());
            if welcome {
                self.accept(now)?;
            }
        }
    }

    /// Is there a new peer; and of each connection: did something happen that it awaits, and what at its peer?
    fn wait(&self) -> Result<(bool, Vec<Option<PollFlags>>), Fault> {
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(2 * MAX_PEERS + 1);
        let is_welcome = self.connections.len() < MAX_PEERS;
        if is_welcome {
            polled.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        for awaited in self.connections.iter().flat_map(Connection::awaited).flatten() {
            polled.push(PollFd::new(awaited.0, awaited.1));
        }
        wait::ready(&mut polled, self.patience()).map_err(|error| broken("poll", &error.into()))?;
        let mut events = polled.iter().map(|polled| polled.revents().unwrap_or(PollFlags::empty()));
        let welcome = is_welcome && events.next().is_some_and(|events| !events.is_empty());
        let of_each = self.connections.iter().map(|connection| {
            let mut next =
                |awaited: bool| if awaited { events.next() } else { None }.unwrap_or(PollFlags::empty());
            let [peer, platform] = connection.awaited().map(|awaited| next(awaited.is_some()));
            (!peer.is_empty() || !platform.is_empty()).then_some(peer)
        });
        Ok((welcome, of_each.collect()))
    }

    /// Until the first deadline.
    fn patience(&self) -> Option<Duration> {
        let first = self.connections.iter().map(Connection::deadline).min()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self, now: Instant) -> Result<(), Fault> {
        let peer = match accept_peer(self.listener.as_fd()) {
            Ok(peer) => peer,
            Err(error) if gone(&error) => return Ok(()),
            Err(error) => return Err(broken("accept", &error)),
        };
        match getsockopt(&peer, sockopt::PeerCredentials) {
            Ok(credentials) if credentials.uid() == 0 || Some(credentials.uid()) == self.fetcher => {
                self.connections.push(Connection::new(peer, credentials.uid() == 0, now));
            }
            Ok(credentials) => {
                answer(peer.as_fd(), Answer::Stranger);
                if let Some(count) = self.counts.dismiss() {
                    let (uid, pid) = (credentials.uid(), credentials.pid());
                    log::warning(&format!(
                        "uid {uid} (process {pid}) isn't the fetcher, {count} so far, ignoring"
                    ));
                }
            }
            Err(error) => log::verbose(&format!("cannot learn who a peer is: {error}, ignoring")),
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
