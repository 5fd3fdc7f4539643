//! Words to the service manager, by the protocol of `sd_notify(3)`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a state such as `READY=1` or `STATUS=...` to `$NOTIFY_SOCKET`, if there is one.
pub fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let name = name.as_encoded_bytes();
    let address = match name.strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(String::from_utf8_lossy(name).as_ref()),
    };
    let Ok(address) = address else { return };
    // A service manager that doesn't read mustn't hold us up.
    let sent = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &address)
    });
    if let Err(error) = sent {
        crate::log::verbose(&format!("cannot tell the service manager '{state}': {error}, ignoring"));
    }
}
