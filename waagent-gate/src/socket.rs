//! The listening socket that PID 1 made and passed.

use std::os::fd::OwnedFd;

use nix::sys::socket::{SockType, getsockopt, sockopt};

use waagent_common::fault::{Exit, Fault};

/// Refuses anything but a listening local socket of streams.
pub fn check(passed: Option<OwnedFd>) -> Result<OwnedFd, Fault> {
    let Some(socket) = passed else {
        return Err(refuse("none was passed (LISTEN_FDS=1 and our LISTEN_PID)"));
    };
    match (getsockopt(&socket, sockopt::SockType), getsockopt(&socket, sockopt::AcceptConn)) {
        (Ok(SockType::Stream), Ok(true)) => Ok(socket),
        (Ok(_), Ok(_)) => Err(refuse("it is no listening socket of streams")),
        (Err(error), _) | (_, Err(error)) => Err(refuse(&error.to_string())),
    }
}

fn refuse(why: &str) -> Fault {
    let text = format!("cannot use descriptor '3' as socket: {why}; start waagent-gate.socket");
    Fault::new(Exit::NoInput, text)
}
