//! The listening socket that PID 1 made and passed (sd_listen_fds(3)).

use std::os::fd::OwnedFd;

use nix::sys::socket::{SockType, getsockopt, sockopt};

use crate::fault::{Exit, Fault};

/// Refuses anything but a listening socket of streams; `unit` is the one that would have passed it.
pub fn check(passed: Option<OwnedFd>, unit: &str) -> Result<OwnedFd, Fault> {
    let refuse = |why: &str| {
        let text = format!("cannot use descriptor '3' as socket: {why}; start {unit}");
        Fault::new(Exit::NoInput, text)
    };
    let Some(socket) = passed else {
        return Err(refuse("none was passed (LISTEN_FDS=1 and our LISTEN_PID)"));
    };
    match (getsockopt(&socket, sockopt::SockType), getsockopt(&socket, sockopt::AcceptConn)) {
        (Ok(SockType::Stream), Ok(true)) => Ok(socket),
        (Ok(_), Ok(_)) => Err(refuse("it is no listening socket of streams")),
        (Err(error), _) | (_, Err(error)) => Err(refuse(&error.to_string())),
    }
}
