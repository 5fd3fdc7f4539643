//! Starting a program as somebody else, with exactly the rights that are named.

use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid, setsid};

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

/// Makes the command take this identity between fork and exec. For single-threaded parents.
pub fn dress(command: &mut Command, identity: Identity) {
    // SAFETY: the closure runs in the child of a single-threaded parent, so allocating there is sound; it makes only
    // system calls on the child's own credentials.
    unsafe { command.pre_exec(move || take_on(&identity)) };
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

fn take_on(identity: &Identity) -> io::Result<()> {
    // A parent that reads its signals from a descriptor has them blocked; a child must be stoppable.
    SigSet::empty().thread_set_mask()?;
    if identity.session {
        setsid()?;
    }
    umask(Mode::from_bits_truncate(identity.umask));
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let gid = Gid::from_raw(identity.gid);
    let uid = Uid::from_raw(identity.uid);
    if let Some(kept) = &identity.capabilities {
        let refused = |error: caps::errors::CapsError| io::Error::other(error.to_string());
        let bounding = caps::read(None, CapSet::Bounding).map_err(refused)?;
        for cap in bounding.difference(kept) {
            caps::drop(None, CapSet::Bounding, *cap).map_err(refused)?;
        }
        // Permitted capabilities must outlive the change of user, to become ambient after it.
        nix::sys::prctl::set_keepcaps(true)?;
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        limit(kept).map_err(refused)?;
    } else {
        setgroups(&groups)?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
    }
    if identity.no_new_privs {
        nix::sys::prctl::set_no_new_privs()?;
    }
    Ok(())
}

/// Leaves `kept` in every set but the bounding one, which was narrowed while that was still allowed.
fn limit(kept: &CapsHashSet) -> Result<(), caps::errors::CapsError> {
    let ours: CapsHashSet =
        caps::read(None, CapSet::Permitted)?.intersection(kept).copied().collect::<CapsHashSet>();
    caps::set(None, CapSet::Effective, &CapsHashSet::new())?;
    caps::set(None, CapSet::Permitted, &ours)?;
    caps::set(None, CapSet::Inheritable, &ours)?;
    caps::set(None, CapSet::Effective, &ours)?;
    for cap in &ours {
        caps::raise(None, CapSet::Ambient, *cap)?;
    }
    Ok(())
}

/// A capability by its name, `CAP_...`.
pub fn capability(name: &str) -> Option<Capability> {
    name.parse().ok()
}
