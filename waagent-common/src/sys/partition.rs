//! Telling the kernel about partitions, also one that has no parser for partition tables.

use std::ffi::{c_char, c_int, c_longlong, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `BLKRRPART` of linux/fs.h.
pub const BLKRRPART: u32 = 0x125f;
/// `BLKFLSBUF` of linux/fs.h.
pub const BLKFLSBUF: u32 = 0x1261;
/// `BLKPG` of linux/blkpg.h.
pub const BLKPG: u32 = 0x1269;
const ADD_PARTITION: c_int = 1;
const DEL_PARTITION: c_int = 2;

/// `struct blkpg_partition`.
#[repr(C)]
struct Partition {
    start: c_longlong,
    length: c_longlong,
    number: c_int,
    device_name: [c_char; 64],
    volume_name: [c_char; 64],
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct Argument {
    operation: c_int,
    flags: c_int,
    length: c_int,
    data: *mut c_void,
}

/// Has the kernel read the partition table again; needs `CAP_SYS_ADMIN`.
pub fn reread(disk: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the request takes no argument; the descriptor is open as long as it is borrowed.
    let result = unsafe { libc::ioctl(disk.as_raw_fd(), BLKRRPART.into(), 0_i32) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes out what the kernel holds for this device, and forgets it, so that the next read is from the device; needs
/// `CAP_SYS_ADMIN`. A disk and its partitions are cached apart: what was written through one may not be seen through
/// the other.
pub fn forget(device: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the request takes no argument; the descriptor is open as long as it is borrowed.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), BLKFLSBUF.into(), 0_i32) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Adds a partition, in bytes of the disk; needs `CAP_SYS_ADMIN`. Nothing is written on the disk.
pub fn add(disk: BorrowedFd<'_>, number: i32, start: i64, length: i64) -> io::Result<()> {
    change(disk, ADD_PARTITION, number, start, length)
}

/// Removes a partition that nobody uses; needs `CAP_SYS_ADMIN`. Nothing is written on the disk.
pub fn remove(disk: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    change(disk, DEL_PARTITION, number, 0, 0)
}

fn change(disk: BorrowedFd<'_>, operation: c_int, number: i32, start: i64, length: i64) -> io::Result<()> {
    let mut partition = Partition { start, length, number, device_name: [0; 64], volume_name: [0; 64] };
    let size = c_int::try_from(size_of::<Partition>()).unwrap_or(c_int::MAX);
    let mut argument =
        Argument { operation, flags: 0, length: size, data: (&raw mut partition).cast::<c_void>() };
    // SAFETY: both structures have the kernel's layout and live through the call; the descriptor is open as long as
    // it is borrowed.
    let result = unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG.into(), &raw mut argument) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
