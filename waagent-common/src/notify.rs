//! Words to the service manager, by the protocol of `sd_notify(3)`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a state such as `READY=1` or `STATUS=...` to `$NOTIFY_SOCKET`, if there is one.
pub fn notify(state: &str) {
    if let Some(manager) = Manager::reach() {
        manager.tell(state);
    }
}

/// A socket for one word that is said later, by a program that can make no socket then.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Manager {
    /// The service manager that is to be told; none where nobody waits for it.
    pub fn reach() -> Option<Self> {
        let name = std::env::var_os("NOTIFY_SOCKET")?;
        let name = name.as_encoded_bytes();
        let address = match name.strip_prefix(b"@") {
            Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
            None => SocketAddr::from_pathname(String::from_utf8_lossy(name).as_ref()),
        };
        let socket = UnixDatagram::unbound().and_then(|socket| {
            // A service manager that doesn't read mustn't hold us up.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        match (socket, address) {
            (Ok(socket), Ok(address)) => Some(Self { socket, address }),
            (Err(error), _) | (_, Err(error)) => {
                crate::log::verbose(&format!("cannot reach the service manager: {error}, ignoring"));
                None
            }
        }
    }

    /// Says the word, and closes the socket.
    pub fn tell(self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.address) {
            crate::log::verbose(&format!("cannot tell the service manager '{state}': {error}, ignoring"));
        }
    }
}
