//! Who opened a connection: the owner of the client's socket, asked of the kernel by sock_diag(7). Where that is
//! missing, `/proc/net/tcp` (proc(5)) says the same, but walks all connections there could be: 5 ms where that
//! table has 262144 buckets. Works where client and fabric share a network namespace.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::Result;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// The uid that made the socket at `peer` which is connected to `own`; `None` if the kernel knows no such one.
pub fn uid(peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    match asked(peer, own) {
        Ok(answer) => uid_in(&answer),
        Err(_) => listed("/proc/net/tcp", &column4(peer)?, &column4(own)?)
            .or_else(|| listed("/proc/net/tcp6", &column6(peer), &column6(own))),
    }
}

/// The kernel's answer to a request for exactly this socket.
fn asked(peer: SocketAddr, own: SocketAddr) -> Result<Vec<u8>> {
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    sendto(netlink.as_raw_fd(), &request(peer, own), &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = vec![0; 1024];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
    answer.truncate(length);
    Ok(answer)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2` of linux/inet_diag.h.
fn request(peer: SocketAddr, own: SocketAddr) -> Vec<u8> {
    let (family, peer_ip, own_ip) = match (peer.ip(), own.ip()) {
        (IpAddr::V4(peer), IpAddr::V4(own)) => (AF_INET, padded(&peer.octets()), padded(&own.octets())),
        (peer, own) => (AF_INET6, padded(&mapped(peer).octets()), padded(&mapped(own).octets())),
    };
    let mut request = Vec::with_capacity(72);
    request.extend(72_u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence number, port id.
    request.extend([0; 8]);
    // Family, protocol, no extension, padding, all states.
    request.extend([family, IPPROTO_TCP, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    request.extend(peer.port().to_be_bytes());
    request.extend(own.port().to_be_bytes());
    request.extend(peer_ip);
    request.extend(own_ip);
    // Any interface, INET_DIAG_NOCOOKIE.
    request.extend([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    request
}

/// `idiag_uid` of `struct inet_diag_msg`, unless the socket has lost its owner or is a listener.
fn uid_in(answer: &[u8]) -> Option<u32> {
    let kind = answer.get(4..6)?;
    let state = answer.get(17)?;
    let uid = answer.get(80..84)?;
    let owned = kind == SOCK_DIAG_BY_FAMILY.to_ne_bytes() && ![TIME_WAIT, LISTEN].contains(state);
    if owned { Some(u32::from_ne_bytes(uid.try_into().ok()?)) } else { None }
}

fn padded(octets: &[u8]) -> [u8; 16] {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(octets) {
        *to = *from;
    }
    padded
}

fn listed(table: &str, peer: &str, own: &str) -> Option<u32> {
    let text = fs::read_to_string(table).ok()?;
    text.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[_, local, remote, state, _, _, _, uid, ..] = columns.as_slice() else { return None };
        let matches = local == peer && remote == own && state != format!("{TIME_WAIT:02X}");
        if matches { uid.parse().ok() } else { None }
    })
}

fn column4(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip().to_canonical() else { return None };
    Some(format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port()))
}

fn column6(address: SocketAddr) -> String {
    format!("{}:{:04X}", words(mapped(address.ip())), address.port())
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn words(ip: Ipv6Addr) -> String {
    let octets = ip.octets();
    let word = |word: &[u8]| u32::from_ne_bytes(word.try_into().unwrap_or([0; 4]));
    octets.chunks_exact(4).map(|bytes| format!("{:08X}", word(bytes))).collect()
}

/// linux/sock_diag.h
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/netlink.h
const NLM_F_REQUEST: u16 = 1;
/// RFC 790
const IPPROTO_TCP: u8 = 6;
/// bits/socket.h
const AF_INET: u8 = 2;
/// bits/socket.h
const AF_INET6: u8 = 10;
/// net/tcp_states.h: such a socket has lost its owner; the kernel shows uid 0.
const TIME_WAIT: u8 = 6;
/// net/tcp_states.h: no connection, only its port is the same.
const LISTEN: u8 = 10;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::{asked, column4, listed, uid, uid_in};

    #[test]
    fn both_ways_name_the_same_owner() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let own = server.local_addr().unwrap();
        let table = listed("/proc/net/tcp", &column4(peer).unwrap(), &column4(own).unwrap());
        assert_eq!(table, Some(nix::unistd::getuid().as_raw()));
        assert_eq!(uid_in(&asked(peer, own).unwrap()), table);
        assert_eq!(uid(peer, own), table);
        drop(client);
    }

    #[test]
    fn a_connection_that_is_not_there_has_no_owner() {
        let nowhere = "127.0.0.1:1".parse().unwrap();
        assert_eq!(uid(nowhere, nowhere), None);
    }
}
