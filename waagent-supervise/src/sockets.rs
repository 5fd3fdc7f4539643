//! The sockets that PID 1 would open: those that the fetcher connects to, and the one that residents report to.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use waagent_common::root::{RUNTIME_PATH, Root};
use waagent_common::users::gid_of;

/// Opens the gate's listening socket.
pub fn gate() -> Result<OwnedFd> {
    listener(waagent_common::gate::protocol::SOCKET)
}

/// Opens the one for transfers.
pub fn transfer() -> Result<OwnedFd> {
    listener(waagent_common::transfer::SOCKET)
}

/// A listening socket below the run folder, for group `waagent-fetch` alone.
fn listener(name: &str) -> Result<OwnedFd> {
    let path = Path::new(RUNTIME_PATH).join(name);
    remove_old(&path)?;
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(&path)?).with_context(|| format!("'{}'", path.display()))?;
    let group =
        gid_of(&Root::new(Path::new("/")), "waagent-fetch").context("there is no group 'waagent-fetch'")?;
    std::os::unix::fs::chown(&path, Some(0), Some(group))?;
    fs::set_permissions(&path, Permissions::from_mode(0o660))?;
    listen(&listener.as_fd(), Backlog::new(16)?)?;
    Ok(listener)
}

/// Opens the socket for `READY=1` and `STATUS=`; anybody may speak, and is believed in nothing but a line of text.
pub fn notifications() -> Result<(UnixDatagram, PathBuf)> {
    let path = Path::new(RUNTIME_PATH).join("notify");
    remove_old(&path)?;
    let socket = UnixDatagram::bind(&path).with_context(|| format!("'{}'", path.display()))?;
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    socket.set_nonblocking(true)?;
    Ok((socket, path))
}

/// Becomes a program whose socket is on descriptor 3: only now is its process number known, which
/// `sd_listen_fds(3)` compares.
pub fn exec_with_socket(program: &Path, arguments: impl Iterator<Item = std::ffi::OsString>) -> io::Error {
    Command::new(program)
        .args(arguments)
        .env("LISTEN_FDS", "1")
        .env("LISTEN_PID", std::process::id().to_string())
        .exec()
}

fn remove_old(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
