//! Accepting peers without blocking on them, which the standard library does by an `ioctl` of its own.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{SockFlag, accept4};

/// The next peer in the queue; its descriptor is closed on exec and doesn't block.
pub fn accept_peer(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let peer = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(peer) })
}
