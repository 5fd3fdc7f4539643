//! Who opened a connection: the uid column of `/proc/net/tcp` (proc(5)), that is the owner of the client's
//! socket. Works where client and fabric share a network namespace.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The uid that made the socket at `peer` which is connected to `own`; `None` if the kernel lists no such one.
pub fn uid(peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    let four = (column4(peer), column4(own));
    if let (Some(peer), Some(own)) = four
        && let Some(uid) = listed("/proc/net/tcp", &peer, &own)
    {
        return Some(uid);
    }
    listed("/proc/net/tcp6", &column6(peer), &column6(own))
}

fn listed(table: &str, peer: &str, own: &str) -> Option<u32> {
    let text = fs::read_to_string(table).ok()?;
    text.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[_, local, remote, state, _, _, _, uid, ..] = columns.as_slice() else { return None };
        let matches = local == peer && remote == own && state != TIME_WAIT;
        if matches { uid.parse().ok() } else { None }
    })
}

fn column4(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip().to_canonical() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

fn column6(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    format!("{}:{:04X}", words(ip), address.port())
}

fn words(ip: Ipv6Addr) -> String {
    let octets = ip.octets();
    octets
        .chunks_exact(4)
        .map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap_or([0; 4]))))
        .collect()
}

/// A socket in this state has lost its owner; the kernel shows uid 0.
const TIME_WAIT: &str = "06";
