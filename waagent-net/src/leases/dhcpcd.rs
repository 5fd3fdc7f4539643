//! Lease files of dhcpcd: the server's answer as it came (RFC 2131 2), fixed part, cookie, options.

use std::net::Ipv4Addr;

use waagent_common::fault::Fault;

use super::{Found, OPTION};

/// Bytes of the fixed part (RFC 2131 2).
const FIXED: usize = 236;
/// RFC 2132 2.
const COOKIE: &[u8] = &[0x63, 0x82, 0x53, 0x63];
const PAD: u8 = 0;
const END: u8 = 255;

/// Reads a packet.
pub(crate) fn parse(packet: &[u8]) -> Result<Found, Fault> {
    let options = packet.get(FIXED..).and_then(|rest| rest.strip_prefix(COOKIE));
    let mut rest = options.ok_or_else(|| Fault::data("no DHCP packet"))?;
    loop {
        match *rest {
            // A packet may lack its end mark.
            [] | [END, ..] => return Ok(Found::default()),
            [PAD, ref after @ ..] => rest = after,
            [code, length, ref after @ ..] => {
                let length = usize::from(length);
                let value =
                    after.get(..length).ok_or_else(|| Fault::data("an option is longer than the packet"))?;
                if code == OPTION {
                    let bytes =
                        <[u8; 4]>::try_from(value).map_err(|_| Fault::data("option 245 isn't 4 bytes"))?;
                    return Ok(Found { address: Some(Ipv4Addr::from(bytes)), interface: None });
                }
                rest = after.get(length..).unwrap_or_default();
            }
            [_] => return Err(Fault::data("an option has no length")),
        }
    }
}
