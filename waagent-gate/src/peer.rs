//! What is heard of a peer that asks, and said to it.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use waagent_common::gate::protocol::{Answer, MAX_HEAD};

use crate::request::MAX_HELD;

/// Takes what has come, up to a byte, the longest head and the longest body that is held. No, where the peer has gone.
pub(crate) fn take(peer: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> bool {
    let come = bytes.len();
    bytes.resize(1 + MAX_HEAD + MAX_HELD, 0);
    let room = bytes.get_mut(come..).unwrap_or_default();
    let result = recv(peer.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT);
    bytes.truncate(come + result.unwrap_or(0));
    !matches!(result, Ok(0)) && matches!(result, Ok(_) | Err(Errno::EAGAIN | Errno::EINTR))
}

/// One byte to a peer, which may have gone away: then nobody misses it.
pub(crate) fn answer(peer: BorrowedFd<'_>, answer: Answer) {
    say(peer, &[answer.byte()]);
}

/// Nothing was sent to it before: there is room.
pub(crate) fn say(peer: BorrowedFd<'_>, word: &[u8]) {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let _unheard = send(peer.as_raw_fd(), word, flags);
}
