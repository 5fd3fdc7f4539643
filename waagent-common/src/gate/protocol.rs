//! What the fetcher and the gate say to each other, besides the request and its answer: one byte each way.
//!
//! The fetcher's byte names a target; one HTTP/1.1 head follows, and exactly as many bytes of body as it announces. The
//! gate's byte comes before the first of the answer, which ends when the gate has shut its side down. A gate that closes the
//! connection without that has broken the answer off.

use std::fmt;
use std::net::SocketAddrV4;
use std::time::Duration;

/// The platform's listeners. A request names one of them, never an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// WireServer: goal state, certificates, health.
    WireServer,
    /// HostGAPlugin: status, packages, fast track, on the WireServer's address.
    HostGaPlugin,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 2] = [Self::WireServer, Self::HostGaPlugin];

    /// The byte that names it.
    pub const fn byte(self) -> u8 {
        match self {
            Self::WireServer => b'w',
            Self::HostGaPlugin => b'p',
        }
    }

    /// The target that a byte names, if it is one of ours.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.byte() == byte)
    }

    /// Its TCP port.
    pub const fn port(self) -> u16 {
        match self {
            Self::WireServer => 80,
            Self::HostGaPlugin => 32526,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WireServer => "WireServer",
            Self::HostGaPlugin => "HostGAPlugin",
        })
    }
}

/// In the place of a target, by root alone: one line is wanted that tells what has passed and what was refused.
pub const COUNTS: u8 = b's';

/// What `Host` says of this address (RFC 9112, 3.2): the port, where it isn't HTTP's own.
pub fn host_of(address: SocketAddrV4) -> String {
    if address.port() == 80 { address.ip().to_string() } else { address.to_string() }
}

/// The gate's word, before the first byte of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Connected: what the target answers follows.
    Connected,
    /// The gate doesn't let the request pass: one line with the reason follows, of at most [`MAX_REASON`] bytes.
    Denied,
    /// The target refused the connection.
    Refused,
    /// The target didn't answer in [`CONNECT_TIME`].
    TimedOut,
    /// No way there: no route, network down.
    Unreachable,
    /// The address in `net/endpoint.json` isn't one that the configuration allows.
    NotAllowed,
    /// The asking process isn't the fetcher.
    Stranger,
    /// The gate itself failed; its log says how.
    Failed,
}

impl Answer {
    const ALL: [Self; 8] = [
        Self::Connected,
        Self::Denied,
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::NotAllowed,
        Self::Stranger,
        Self::Failed,
    ];

    /// The byte that says it.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Connected => b'c',
            Self::Denied => b'd',
            Self::Refused => b'r',
            Self::TimedOut => b't',
            Self::Unreachable => b'u',
            Self::NotAllowed => b'n',
            Self::Stranger => b'x',
            Self::Failed => b'f',
        }
    }

    /// What a byte says, if it says anything.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|answer| answer.byte() == byte)
    }
}

/// The gate's socket, below the agent's run folder. Made by PID 1, `root:waagent-fetch` 0660.
pub const SOCKET: &str = "gate/gate.sock";

/// How long a target may take to accept a connection: long enough for two lost SYN packets, which Linux repeats after
/// 1 s and 3 s (`TCP_TIMEOUT_INIT`, net/tcp.h).
pub const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long a peer may take to send its byte, its whole head, and for the WireServer the body.
pub const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long nothing may move, in neither direction, once the target is connected.
pub const IDLE_TIME: Duration = Duration::from_secs(60);

/// How long a request may take, all told.
pub const WHOLE_TIME: Duration = Duration::from_secs(15 * 60);

/// Longest head, with the empty line that ends it, in bytes.
pub const MAX_HEAD: usize = 16 << 10;

/// Longest reason of a [`Answer::Denied`], with its line feed, in bytes.
pub const MAX_REASON: usize = 512;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_host_has_its_port_but_for_that_of_http() {
        let at = |port| host_of(SocketAddrV4::new(Ipv4Addr::new(10, 1, 2, 3), port));
        assert_eq!((at(80).as_str(), at(32526).as_str()), ("10.1.2.3", "10.1.2.3:32526"));
    }

    #[test]
    fn every_byte_says_one_thing_or_nothing() {
        for byte in 0..=u8::MAX {
            assert!(Target::from_byte(byte).is_none_or(|target| target.byte() == byte));
            assert!(byte != COUNTS || Target::from_byte(byte).is_none());
            assert!(Answer::from_byte(byte).is_none_or(|answer| answer.byte() == byte));
        }
        assert_eq!(Target::ALL.len(), Target::ALL.iter().filter_map(|t| Target::from_byte(t.byte())).count());
        assert_eq!(Answer::ALL.len(), Answer::ALL.iter().filter_map(|a| Answer::from_byte(a.byte())).count());
    }
}
