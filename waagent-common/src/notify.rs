//! Words to the service manager, by the protocol of `sd_notify(3)`.

use std::ffi::OsStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sendto, socket};

/// Sends a state such as `READY=1` or `STATUS=...` to `$NOTIFY_SOCKET`, if there is one.
pub fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        crate::log::verbose(&format!("cannot tell the service manager '{state}': {error}, ignoring"));
    }
}

/// A service manager that doesn't read mustn't hold us up.
fn send(name: &OsStr, state: &str) -> nix::Result<()> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => UnixAddr::new_abstract(abstract_name)?,
        None => UnixAddr::new(name)?,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    sendto(socket.as_raw_fd(), state.as_bytes(), &address, MsgFlags::MSG_NOSIGNAL).map(|_| ())
}
