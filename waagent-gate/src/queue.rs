//! Peers that were accepted, and wait for a place.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use waagent_common::wait;

/// So many wait at most. Here and not in the socket's own queue, where the fetcher's would stand before root's.
pub const MAX_WAITING: usize = 64;

/// In the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<OwnedFd>);

impl Queue {
    /// At its end. Gives the peer back where there is no room, also not that of peers that have gone.
    pub(crate) fn add(&mut self, peer: OwnedFd) -> Result<(), OwnedFd> {
        if self.0.len() >= MAX_WAITING {
            self.0.retain(is_there);
        }
        if self.0.len() >= MAX_WAITING {
            return Err(peer);
        }
        self.0.push_back(peer);
        Ok(())
    }

    /// The first so many.
    pub(crate) fn take(&mut self, most: usize) -> impl Iterator<Item = OwnedFd> {
        self.0.drain(..most.min(self.0.len()))
    }
}

fn is_there(peer: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(peer.as_fd(), PollFlags::empty())];
    matches!(wait::ready(&mut fds, Some(Duration::ZERO)), Ok(false))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn is_bounded_and_who_has_gone_takes_no_room() {
        let (mut queue, mut peers) = (Queue::default(), Vec::new());
        let mut knock = |queue: &mut Queue| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            peers.push(theirs);
            (queue.add(ours.into()).is_ok(), peers.len())
        };
        while knock(&mut queue).0 {}
        assert_eq!(knock(&mut queue), (false, MAX_WAITING + 2));
        drop(peers.drain(..2));
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(queue.add(ours.into()).is_ok());
        assert_eq!(queue.take(8).count(), 8);
        assert_eq!(queue.take(100).count(), MAX_WAITING - 9);
    }
}
