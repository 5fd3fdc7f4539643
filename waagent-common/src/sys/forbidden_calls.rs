//! For tests of refusals alone: acts of an attacker that no safe interface offers.

use std::io;
use std::ptr;

/// Maps memory that is writable and executable.
pub fn map_code() -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: asks the kernel for one fresh page, which nobody uses; the process ends soon.
    let map = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if map == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens a file by its handle, past all folders on its way (`CAP_DAC_READ_SEARCH`). The handle is an empty one: `EINVAL`
/// comes after the check of rights (`open_by_handle_at(2)`, fs/fhandle.c of Linux), and counts as allowed.
pub fn open_by_handle() -> io::Result<()> {
    // struct file_handle: handle_bytes and handle_type, no handle.
    let mut empty = [0_u32; 2];
    let handle: *mut u32 = empty.as_mut_ptr();
    // SAFETY: the kernel reads the eight bytes of `empty`, which live until the call has returned.
    let result =
        unsafe { libc::syscall(libc::SYS_open_by_handle_at, libc::AT_FDCWD, handle, libc::O_RDONLY) };
    match io::Error::last_os_error() {
        error if result < 0 && error.raw_os_error() != Some(libc::EINVAL) => Err(error),
        _ => Ok(()),
    }
}

/// Opens a socket of Multipath TCP, which Landlock's rules about TCP don't know. A kernel without it counts as one that
/// allows it.
pub fn multipath_socket() -> io::Result<()> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointer; the process ends soon.
    if unsafe { libc::socket(libc::AF_INET, kind, libc::IPPROTO_MPTCP) } >= 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if matches!(error.raw_os_error(), Some(libc::EPROTONOSUPPORT | libc::ENOPROTOOPT)) => Ok(()),
        error => Err(error),
    }
}

/// Makes a system call with these arguments, by their indices, and in the place of all others what no pointer, descriptor
/// or number of flags can be. Returns the number of the error, 0 where there is none.
pub fn call(number: i64, some: &[(u8, u32)]) -> i32 {
    let mut arguments = [u64::MAX; 6];
    for (index, value) in some {
        if let Some(argument) = arguments.get_mut(usize::from(*index)) {
            *argument = u64::from(*value);
        }
    }
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: no argument is an address of this process: one is the last that there is, which the kernel refuses; a number
    // of 32 bits is below all that a position-independent program of 64 bits maps.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result == -1 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}
