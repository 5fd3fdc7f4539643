//! Where a file's blocks are: has it holes?

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `FS_IOC_FIEMAP` of linux/fs.h.
pub const FS_IOC_FIEMAP: u32 = 0xc020_660b;
/// `FS_IOC_SETFLAGS` of linux/fs.h.
pub const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
/// Its flag that btrfs wants on a swap file.
const FS_NOCOW_FL: libc::c_long = 0x0080_0000;
/// `FIEMAP_FLAG_SYNC`; extents: last of the file, not yet placed, data beside metadata.
const SYNC: u32 = 1;
const LAST: u32 = 1;
const UNUSABLE: u32 = 0x2 | 0x4 | 0x200;
const BATCH: usize = 64;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Extent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct Map {
    start: u64,
    length: u64,
    flags: u32,
    mapped: u32,
    count: u32,
    reserved: u32,
    extents: [Extent; BATCH],
}

/// Is every byte of the first `size` on a block of its own? An error where the file system doesn't tell.
pub fn is_solid(file: BorrowedFd<'_>, size: u64) -> io::Result<bool> {
    let mut next = 0;
    while next < size {
        let mut map = Map {
            start: next,
            length: size - next,
            flags: SYNC,
            mapped: 0,
            count: 64,
            reserved: 0,
            extents: [Extent::default(); BATCH],
        };
        // SAFETY: the structure has the kernel's layout with room for `count` extents and lives through the call.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP.into(), &raw mut map) };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        let mapped = usize::try_from(map.mapped).unwrap_or(0).min(BATCH);
        if mapped == 0 {
            return Ok(false);
        }
        for extent in map.extents.iter().take(mapped) {
            if extent.logical > next || extent.flags & UNUSABLE != 0 || extent.length == 0 {
                return Ok(false);
            }
            next = extent.logical.saturating_add(extent.length);
            if extent.flags & LAST != 0 {
                return Ok(next >= size);
            }
        }
    }
    Ok(true)
}

/// Has btrfs write an empty file in place, without which it can't hold swap.
pub fn no_copy_on_write(file: BorrowedFd<'_>) -> io::Result<()> {
    let flags = FS_NOCOW_FL;
    // SAFETY: the request reads one long, which lives through the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_SETFLAGS.into(), &raw const flags) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
