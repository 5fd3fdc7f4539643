//! Opening the tray of a CD or DVD drive.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `CDROMEJECT` and `CDROM_LOCKDOOR` of linux/cdrom.h.
pub const CDROMEJECT: u32 = 0x5309;
/// Locks and unlocks the tray.
pub const CDROM_LOCKDOOR: u32 = 0x5329;

/// Unlocks and opens the tray. A device that isn't such a drive answers `ENOTTY` or `EINVAL`.
pub fn eject(device: BorrowedFd<'_>) -> io::Result<()> {
    // A drive that can't lock can't unlock either: what counts is the second request.
    let _may_lack_a_lock = request(device, CDROM_LOCKDOOR);
    request(device, CDROMEJECT)
}

fn request(device: BorrowedFd<'_>, number: u32) -> io::Result<()> {
    // SAFETY: both requests take a plain number (0), no pointer; the descriptor is open as long as it is borrowed.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), number.into(), 0_i32) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
