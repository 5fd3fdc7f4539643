//! One peer and what it asked for: a byte comes, a connection is opened, an answer goes. Never blocks.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, connect, getsockopt, recv, send,
    socket, sockopt,
};
use waagent_common::gate::protocol::{Answer, CONNECT_TIME, REQUEST_TIME, Target};
use waagent_common::log;
use waagent_common::sys::fd::send_fd;

use crate::address::Addresses;

/// A peer that was accepted, until it has its answer.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: OwnedFd,
    stage: Stage,
    deadline: Instant,
}

#[derive(Debug)]
enum Stage {
    /// Its byte isn't here yet.
    Asking,
    /// The target hasn't accepted yet.
    Connecting(OwnedFd, Target),
    /// It has its answer.
    Over,
}

impl Connection {
    /// A peer that may ask.
    pub(crate) fn new(peer: OwnedFd, now: Instant) -> Self {
        Self { peer, stage: Stage::Asking, deadline: now + REQUEST_TIME }
    }

    /// What to wait for.
    pub(crate) fn awaited(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.stage {
            Stage::Asking | Stage::Over => (self.peer.as_fd(), PollFlags::POLLIN),
            Stage::Connecting(socket, _) => (socket.as_fd(), PollFlags::POLLOUT),
        }
    }

    /// When waiting ends.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Has it got its answer, or gone away?
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Goes on after what was awaited has happened.
    pub(crate) fn advance(&mut self, addresses: &mut Addresses, now: Instant) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Asking => self.asked(addresses, now),
            Stage::Connecting(socket, target) => {
                // A socket that can't say whether it is connected, isn't.
                let errno = getsockopt(&socket, sockopt::SocketError).map_or(Errno::EIO, Errno::from_raw);
                self.settle(&socket, target, errno);
            }
            Stage::Over => {}
        }
    }

    /// Gives up when the time has come.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        // A peer that never asked is owed no answer.
        if let Stage::Connecting(..) = std::mem::replace(&mut self.stage, Stage::Over) {
            answer(self.peer.as_fd(), Answer::TimedOut);
        }
    }

    fn asked(&mut self, addresses: &mut Addresses, now: Instant) {
        let mut request = [0; 2];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let target = match recv(self.peer.as_raw_fd(), &mut request, flags) {
            Ok(1) => Target::from_byte(request[0]),
            // It hung up.
            Ok(0) | Err(_) => return,
            Ok(_) => None,
        };
        let Some(target) = target else { return answer(self.peer.as_fd(), Answer::Unknown) };
        let Some(address) = addresses.of(target) else {
            return answer(self.peer.as_fd(), Answer::NotAllowed);
        };
        match begin(address) {
            Ok((socket, Errno::EINPROGRESS)) => {
                self.stage = Stage::Connecting(socket, target);
                self.deadline = now + CONNECT_TIME;
            }
            Ok((socket, errno)) => self.settle(&socket, target, errno),
            Err(errno) => answer(self.peer.as_fd(), failure(target, errno)),
        }
    }

    fn settle(&self, socket: &OwnedFd, target: Target, errno: Errno) {
        if errno != Errno::UnknownErrno {
            return answer(self.peer.as_fd(), failure(target, errno));
        }
        let passed = fcntl(socket, FcntlArg::F_SETFL(OFlag::empty()))
            .map_err(Into::into)
            .and_then(|_| send_fd(self.peer.as_fd(), &[Answer::Connected.byte()], socket.as_fd()));
        match passed {
            Ok(()) => log::verbose(&format!("connected to {target}")),
            Err(error) => log::verbose(&format!("connected to {target}, but the peer is gone: {error}")),
        }
    }
}

/// One byte to a peer, which may have gone away: then nobody misses it.
pub(crate) fn answer(peer: BorrowedFd<'_>, answer: Answer) {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let _unheard = send(peer.as_raw_fd(), &[answer.byte()], flags);
}

/// Starts a connection; [`Errno::UnknownErrno`], which is 0, means that it stands already.
fn begin(address: SocketAddrV4) -> nix::Result<(OwnedFd, Errno)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, SockProtocol::Tcp)?;
    let errno = match connect(socket.as_raw_fd(), &SockaddrIn::from(address)) {
        Ok(()) => Errno::UnknownErrno,
        Err(errno) => errno,
    };
    Ok((socket, errno))
}

fn failure(target: Target, errno: Errno) -> Answer {
    match errno {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Answer::Refused,
        Errno::ETIMEDOUT => Answer::TimedOut,
        Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EHOSTDOWN => Answer::Unreachable,
        errno => {
            log::warning(&format!("cannot connect to {target}: {errno}, answering so"));
            Answer::Failed
        }
    }
}
