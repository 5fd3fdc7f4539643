//! Words to the service manager, by the protocol of `sd_notify(3)`.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sendto, socket};

/// Sends a state such as `READY=1` or `STATUS=...` to `$NOTIFY_SOCKET`, if there is one.
pub fn notify(state: &str) {
    if let Some(manager) = Manager::reach() {
        manager.tell(state);
    }
}

/// A socket for one word that is said later, by a program that can make no socket then.
#[derive(Debug)]
pub struct Manager {
    socket: OwnedFd,
    address: UnixAddr,
}

impl Manager {
    /// The service manager that is to be told; none where nobody waits for it.
    pub fn reach() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        Self::at(&name)
            .inspect_err(|error| {
                crate::log::verbose(&format!("cannot reach the service manager: {error}, ignoring"));
            })
            .ok()
    }

    /// Without an ioctl, which some programs may not make. A service manager that doesn't read mustn't hold us up.
    fn at(name: &OsStr) -> nix::Result<Self> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(abstract_name) => UnixAddr::new_abstract(abstract_name)?,
            None => UnixAddr::new(name)?,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(Self { socket: socket(AddressFamily::Unix, SockType::Datagram, flags, None)?, address })
    }

    /// Says the word, and closes the socket.
    pub fn tell(self, state: &str) {
        let told = sendto(self.socket.as_raw_fd(), state.as_bytes(), &self.address, MsgFlags::MSG_NOSIGNAL);
        if let Err(error) = told {
            crate::log::verbose(&format!("cannot tell the service manager '{state}': {error}, ignoring"));
        }
    }
}
