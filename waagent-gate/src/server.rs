//! The loop: peers are accepted, checked, and served side by side, so that a slow target holds up nobody else.

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

use crate::address::Addresses;
use crate::connection::{Connection, answer};

/// Peers that are served at a time; more wait in the socket's queue. The fetcher opens at most two per target.
const MAX_PEERS: usize = 16;

/// Serves peers of this user, and root, until something breaks.
#[derive(Debug)]
pub struct Server {
    listener: OwnedFd,
    fetcher: Option<u32>,
    addresses: Addresses,
    connections: Vec<Connection>,
    strangers: u64,
}

impl Server {
    /// On a listening socket; `fetcher` is the user number of waagent-fetch, if there is such a user.
    pub fn new(listener: OwnedFd, fetcher: Option<u32>, addresses: Addresses) -> Self {
        Self { listener, fetcher, addresses, connections: Vec::new(), strangers: 0 }
    }

    /// Serves until the sandbox is outdated. Who knocks then stays in the socket's queue, for the next process.
    pub fn serve(mut self, sandbox: &Sandbox) -> Result<Outcome, Fault> {
        loop {
            let (welcome, ready) = self.wait()?;
            if self.connections.is_empty()
                && let Some(outdated) = program::outdated(sandbox)
            {
                return Ok(outdated);
            }
            let now = Instant::now();
            for (connection, ready) in self.connections.iter_mut().zip(ready) {
                if ready {
                    connection.advance(&mut self.addresses, now);
                } else {
                    connection.expire(now);
                }
            }
            self.connections.retain(|connection| !connection.is_over());
            if welcome {
                self.accept(now)?;
            }
        }
    }

    /// Is there a new peer, and which connections can go on?
    fn wait(&self) -> Result<(bool, Vec<bool>), Fault> {
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(MAX_PEERS + 1);
        for connection in &self.connections {
            let (descriptor, events) = connection.awaited();
            polled.push(PollFd::new(descriptor, events));
        }
        if self.connections.len() < MAX_PEERS {
            polled.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        }
        wait::ready(&mut polled, self.patience()).map_err(|error| broken("poll", &error.into()))?;
        let mut ready: Vec<bool> = polled.iter().map(|polled| polled.any().unwrap_or(false)).collect();
        let welcome = ready.len() > self.connections.len() && ready.pop().unwrap_or(false);
        Ok((welcome, ready))
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
                self.connections.push(Connection::new(peer, now));
            }
            Ok(credentials) => {
                answer(peer.as_fd(), Answer::Stranger);
                self.strangers += 1;
                // The first, the tenth, the hundredth ...: a stranger can't fill the log.
                if self.strangers == 10_u64.pow(self.strangers.ilog10()) {
                    let (uid, pid, count) = (credentials.uid(), credentials.pid(), self.strangers);
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
