//! Starting a program as somebody else, with exactly the rights that are named.

use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;

use caps::{Capability, CapsHashSet};

/// The identity and rights that a child gets before it executes its program.
#[derive(Debug, Clone)]
pub struct Identity {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Ambient and bounding capabilities; `None` leaves everything as the parent has it.
    pub capabilities: Option<CapsHashSet>,
    /// File mode creation mask.
    pub umask: u32,
    /// Set `no_new_privs`?
    pub no_new_privs: bool,
    /// A session of its own?
    pub session: bool,
}

/// Makes the command take this identity between fork and exec.
pub fn set_identity(command: &mut Command, identity: Identity) {
    let kept = identity.capabilities.as_ref().map(mask);
    // SAFETY: between fork and exec of a process that may have other threads only what is async-signal-safe is sound
    // (fork(2)): `take_on` makes system calls, and neither allocates nor calls what the C library keeps locks for.
    unsafe { command.pre_exec(move || take_on(&identity, kept)) };
}

/// Passes a socket to the child as descriptor 3, by the protocol of `sd_listen_fds(3)`; the child sets `LISTEN_PID`.
pub fn pass_socket(command: &mut Command, socket: BorrowedFd<'_>) -> io::Result<()> {
    let socket = socket.try_clone_to_owned()?;
    // SAFETY: dup2 alone, on a descriptor that the closure owns; the copy survives exec, the original doesn't.
    unsafe {
        command.pre_exec(move || {
            // Not to be closed when its owner goes out of scope: it is the child's.
            let _kept: RawFd = nix::unistd::dup2_raw(&socket, 3)?.into_raw_fd();
            Ok(())
        })
    };
    Ok(())
}

/// System calls alone, on the child's own credentials. The C library's setresuid(3) and its like aren't used: they go
/// through a list of threads, which another thread of the parent may have been changing at the fork.
fn take_on(identity: &Identity, kept: Option<u64>) -> io::Result<()> {
    unblock_signals()?;
    if identity.session {
        call(libc::SYS_setsid, [0; 3])?;
    }
    call(libc::SYS_umask, [identity.umask.into(), 0, 0])?;
    if let Some(kept) = kept {
        narrow_bounding(kept)?;
        // Permitted capabilities must outlive the change of user, to become ambient after it.
        control(libc::PR_SET_KEEPCAPS, 1, 0)?;
    }
    let (uid, gid) = (identity.uid.into(), identity.gid.into());
    set_groups(&identity.groups)?;
    call(libc::SYS_setresgid, [gid; 3])?;
    call(libc::SYS_setresuid, [uid; 3])?;
    if let Some(kept) = kept {
        limit(kept)?;
    }
    if identity.no_new_privs {
        control(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
    }
    Ok(())
}

/// A parent that reads its signals from a descriptor has them blocked; a child must be stoppable.
fn unblock_signals() -> io::Result<()> {
    let none = 0_u64;
    let size = size_of::<u64>();
    // SAFETY: the kernel reads a set of 64 signals, which lives through the call, and writes none.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            ptr::null_mut::<u64>(),
            size,
        )
    };
    checked(result)
}

fn narrow_bounding(kept: u64) -> io::Result<()> {
    for number in 0..64_u8 {
        let number = libc::c_ulong::from(number);
        // Past the last capability of this kernel: EINVAL.
        let is_there = control(libc::PR_CAPBSET_READ, number, 0).unwrap_or(0) == 1;
        if is_there && kept & (1 << number) == 0 {
            control(libc::PR_CAPBSET_DROP, number, 0)?;
        }
    }
    Ok(())
}

fn set_groups(groups: &[u32]) -> io::Result<()> {
    // SAFETY: the kernel reads as many 32-bit numbers as the slice has, which lives through the call.
    let result = unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) };
    checked(result)
}

/// `struct __user_cap_header_struct` of linux/capability.h, for this thread, version 3.
#[repr(C)]
struct Header {
    version: u32,
    thread: i32,
}

/// `struct __user_cap_data_struct`: 32 capabilities; there are two.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Leaves `kept` in every set but the bounding one, which was narrowed while that was still allowed.
fn limit(kept: u64) -> io::Result<()> {
    let mut header = Header { version: 0x2008_0522, thread: 0 };
    let mut sets = [Sets::default(); 2];
    // SAFETY: both structures have the kernel's layout for version 3 and live through the call.
    checked(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) })?;
    let [low, high] = &mut sets;
    let permitted = (u64::from(high.permitted) << 32) | u64::from(low.permitted);
    let ours = permitted & kept;
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
    for (sets, bits) in [(low, half(ours)), (high, half(ours >> 32))] {
        *sets = Sets { effective: bits, permitted: bits, inheritable: bits };
    }
    // SAFETY: the same; the kernel only reads them.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) })?;
    for number in (0..64_u8).filter(|number| ours & (1 << number) != 0) {
        control(libc::PR_CAP_AMBIENT, ambient_raise(), number.into())?;
    }
    Ok(())
}

fn ambient_raise() -> libc::c_ulong {
    libc::c_ulong::try_from(libc::PR_CAP_AMBIENT_RAISE).unwrap_or(0)
}

fn control(option: libc::c_int, first: libc::c_ulong, second: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: the options that are used here take plain numbers, no pointers.
    let result = unsafe { libc::prctl(option, first, second, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn call(number: libc::c_long, arguments: [libc::c_long; 3]) -> io::Result<()> {
    let [first, second, third] = arguments;
    // SAFETY: the calls that are made here take plain numbers, no pointers.
    checked(unsafe { libc::syscall(number, first, second, third) })
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn mask(capabilities: &CapsHashSet) -> u64 {
    capabilities.iter().map(Capability::bitmask).fold(0, |all, one| all | one)
}

/// A capability by its name, `CAP_...`.
pub fn capability(name: &str) -> Option<Capability> {
    name.parse().ok()
}
