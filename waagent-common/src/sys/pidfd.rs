//! A descriptor that becomes readable when a process ends, see `pidfd_open(2)`.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Opens a descriptor for a child that wasn't waited for yet, so that its number can't be somebody else's.
pub fn of_child(pid: u32) -> io::Result<OwnedFd> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: plain numbers as arguments; close-on-exec is pidfd_open's default.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
