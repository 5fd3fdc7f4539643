//! What we want to be in force: a table of two chains and three rules. Data.
//!
//! No connection tracking (a minimal kernel may lack it): a rule on the first packet of a connection does the same,
//! lets answers to the load balancer's probes through, and holds for whatever uid *opened* the socket.

use std::net::Ipv4Addr;

use super::expression::{Expression, Field, Meta};

/// Name of the table, family `ip`. WALinuxAgent's own: so that its table is replaced by ours in one step, and an
/// agent that is started later finds that there is one.
pub(crate) const TABLE: &str = "walinuxagent";

/// SYN and ACK of the TCP header's flags (RFC 9293 3.1).
pub(crate) const SYN: u8 = 0x02;
/// See [`SYN`].
pub(crate) const ACK: u8 = 0x10;
/// Protocol number (IANA).
pub(crate) const TCP: u8 = 6;
/// DNS over TCP stays open to everybody.
const DNS: u16 = 53;
/// WireServer and HostGAPlugin: what containers must not reach.
const CLOSED_TO_FORWARDED: [u16; 2] = [80, 32526];

/// A chain at one of netfilter's hooks, of type `filter` and policy `accept`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    /// Its name, which is also that of its hook.
    pub(crate) name: &'static str,
    /// `NF_INET_...` of include/uapi/linux/netfilter.h.
    pub(crate) hook: u32,
    /// In order.
    pub(crate) rules: Vec<Vec<Expression>>,
}

/// The chains that protect this address.
pub(crate) fn wanted(address: Ipv4Addr) -> Vec<Chain> {
    let forward = CLOSED_TO_FORWARDED.into_iter().map(|port| closed_to_forwarded(address, port)).collect();
    vec![
        Chain { name: "output", hook: 3, rules: vec![opened_by_root_alone(address)] },
        Chain { name: "forward", hook: 2, rules: forward },
    ]
}

/// A new connection of this machine, but for DNS, is dropped unless uid 0 opened its socket.
fn opened_by_root_alone(address: Ipv4Addr) -> Vec<Expression> {
    let mut rule = tcp_to(address);
    rule.extend([
        Expression::Load(Field::Port),
        Expression::Differs(DNS.to_be_bytes().to_vec()),
        Expression::Load(Field::Flags),
        Expression::Mask(SYN | ACK),
        Expression::Equals(vec![SYN]),
        Expression::Meta(Meta::SocketUid),
        Expression::Differs(0_u32.to_ne_bytes().to_vec()),
        Expression::Counter,
        Expression::Drop,
    ]);
    rule
}

/// Packets of containers and guests, whose sockets aren't ours to look at, are dropped.
fn closed_to_forwarded(address: Ipv4Addr, port: u16) -> Vec<Expression> {
    let mut rule = tcp_to(address);
    rule.extend([
        Expression::Load(Field::Port),
        Expression::Equals(port.to_be_bytes().to_vec()),
        Expression::Counter,
        Expression::Drop,
    ]);
    rule
}

fn tcp_to(address: Ipv4Addr) -> Vec<Expression> {
    vec![
        Expression::Load(Field::Destination),
        Expression::Equals(address.octets().to_vec()),
        Expression::Meta(Meta::Protocol),
        Expression::Equals(vec![TCP]),
    ]
}
