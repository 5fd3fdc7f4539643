//! Descriptors that come from outside: inherited from PID 1.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The first descriptor that PID 1 passes, by `sd_listen_fds(3)`.
const LISTEN_FDS_START: RawFd = 3;

/// The one socket that PID 1 passes to this process, if it did: `LISTEN_FDS=1` and our `LISTEN_PID`.
///
/// Called once, before any other descriptor is opened.
pub fn passed_socket() -> Option<OwnedFd> {
    let own = std::process::id().to_string();
    let pid = std::env::var("LISTEN_PID").ok()?;
    let count = std::env::var("LISTEN_FDS").ok()?;
    if pid != own || count != "1" {
        return None;
    }
    // SAFETY: fcntl on a number is harmless; it fails where nothing is open there.
    if unsafe { libc::fcntl(LISTEN_FDS_START, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return None;
    }
    // SAFETY: descriptor 3 is open (fcntl succeeded), and by the protocol it is ours alone.
    Some(unsafe { OwnedFd::from_raw_fd(LISTEN_FDS_START) })
}
