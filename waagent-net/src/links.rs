//! Names of interfaces by their numbers, from rtnetlink(7).

use std::collections::BTreeMap;

use nix::sys::socket::SockProtocol;

use crate::netlink::attribute::{parse, text};
use crate::netlink::message::{DUMP, Message};
use crate::netlink::socket::Socket;

/// `RTM_NEWLINK` and `RTM_GETLINK` of linux/rtnetlink.h.
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
/// Bytes of `struct ifinfomsg`; the interface's number is at offset 4.
const HEADER: usize = 16;
/// `IFLA_IFNAME`.
const NAME: u16 = 3;

/// Number and name of each interface.
pub(crate) fn names() -> nix::Result<BTreeMap<u32, String>> {
    let question = Message { kind: GET_LINK, flags: DUMP, body: vec![0; HEADER] };
    let links = Socket::open(SockProtocol::NetlinkRoute)?.dump(&question, NEW_LINK)?;
    Ok(links.iter().filter_map(|link| name(link)).collect())
}

fn name(link: &[u8]) -> Option<(u32, String)> {
    let number = u32::from_ne_bytes(link.get(4..8)?.try_into().ok()?);
    let attributes = parse(link.get(HEADER..)?).ok()?;
    Some((number, text(&attributes, NAME)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_loopback_interface() {
        assert_eq!(names().unwrap().get(&1).map(String::as_str), Some("lo"));
    }

    #[test]
    fn a_torn_answer_has_no_name() {
        assert_eq!(name(&[0; 7]), None);
        assert_eq!(name(&[0; 16]), None);
        assert_eq!(name(&[[0; 16].as_slice(), &[9, 0, 3, 0]].concat()), None);
    }
}
