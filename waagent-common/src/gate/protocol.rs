//! What the fetcher and the gate say to each other: one byte each way, and a descriptor.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Instance metadata: a link-local address, the same on every machine; no configuration moves it.
pub const IMDS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The platform's listeners. A request names one of them, never an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// WireServer: goal state, certificates, health.
    WireServer,
    /// HostGAPlugin: status, packages, fast track, on the WireServer's address.
    HostGaPlugin,
    /// Instance metadata.
    Imds,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 3] = [Self::WireServer, Self::HostGaPlugin, Self::Imds];

    /// The request that names it.
    pub const fn byte(self) -> u8 {
        match self {
            Self::WireServer => b'w',
            Self::HostGaPlugin => b'p',
            Self::Imds => b'i',
        }
    }

    /// The target that a request names, if it is one of ours.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.byte() == byte)
    }

    /// Its TCP port.
    pub const fn port(self) -> u16 {
        match self {
            Self::WireServer | Self::Imds => 80,
            Self::HostGaPlugin => 32526,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WireServer => "WireServer",
            Self::HostGaPlugin => "HostGAPlugin",
            Self::Imds => "IMDS",
        })
    }
}

/// The gate's answer. Only with the first comes a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Connected; the socket comes with this byte.
    Connected,
    /// The target refused the connection.
    Refused,
    /// The target didn't answer in [`CONNECT_TIME`].
    TimedOut,
    /// No way there: no route, network down.
    Unreachable,
    /// The address in `net/endpoint.json` isn't one that the configuration allows.
    NotAllowed,
    /// The request was no byte that names a target.
    Unknown,
    /// The asking process isn't the fetcher.
    Stranger,
    /// The gate itself failed; its log says how.
    Failed,
}

impl Answer {
    const ALL: [Self; 8] = [
        Self::Connected,
        Self::Refused,
        Self::TimedOut,
        Self::Unreachable,
        Self::NotAllowed,
        Self::Unknown,
        Self::Stranger,
        Self::Failed,
    ];

    /// The byte that says it.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Connected => b'c',
            Self::Refused => b'r',
            Self::TimedOut => b't',
            Self::Unreachable => b'u',
            Self::NotAllowed => b'n',
            Self::Unknown => b'?',
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

/// How long an accepted peer may take to send its byte.
pub const REQUEST_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_says_one_thing_or_nothing() {
        for byte in 0..=u8::MAX {
            assert!(Target::from_byte(byte).is_none_or(|target| target.byte() == byte));
            assert!(Answer::from_byte(byte).is_none_or(|answer| answer.byte() == byte));
        }
        assert_eq!(Target::ALL.len(), Target::ALL.iter().filter_map(|t| Target::from_byte(t.byte())).count());
        assert_eq!(Answer::ALL.len(), Answer::ALL.iter().filter_map(|a| Answer::from_byte(a.byte())).count());
    }
}
