//! Rules in the words of `nft list ruleset`, for people.

use std::net::Ipv4Addr;

use super::expression::Expression::{self, Counter, Differs, Drop, Equals, Foreign, Load, Mask};
use super::expression::{Field, Meta};
use super::ruleset::{ACK, SYN, TCP};

/// A rule as `nft` writes it; what isn't ours appears in angle brackets.
pub(crate) fn words(rule: &[Expression]) -> String {
    let mut phrases = Vec::new();
    let mut rest = rule;
    while !rest.is_empty() {
        let (words, used) = phrase(rest);
        phrases.extend(words);
        rest = rest.get(used..).unwrap_or_default();
    }
    phrases.join(" ")
}

/// The first phrase, and of how many expressions it is made.
fn phrase(rest: &[Expression]) -> (Option<String>, usize) {
    match rest {
        [Load(Field::Destination), Equals(to), ..] => (Some(format!("ip daddr {}", address(to))), 2),
        [Load(Field::Port), Equals(port), ..] => (Some(format!("tcp dport {}", number(port))), 2),
        [Load(Field::Port), Differs(port), ..] => (Some(format!("tcp dport != {}", number(port))), 2),
        [Load(Field::Flags), Mask(mask), Equals(flags), ..] if *mask == SYN | ACK && *flags == [SYN] => {
            (Some("tcp flags syn / syn,ack".to_owned()), 3)
        }
        // nft leaves out what the next phrase implies.
        [Expression::Meta(Meta::Protocol), Equals(protocol), ..] if *protocol == [TCP] => (None, 2),
        [Expression::Meta(Meta::SocketUid), Differs(uid), ..] => {
            (Some(format!("meta skuid != {}", host_number(uid))), 2)
        }
        [Counter, ..] => (Some("counter".to_owned()), 1),
        [Drop, ..] => (Some("drop".to_owned()), 1),
        [Foreign(name), ..] => (Some(format!("<{name}>")), 1),
        [odd, ..] => (Some(format!("<{odd:?}>")), 1),
        [] => (None, 1),
    }
}

fn address(bytes: &[u8]) -> String {
    <[u8; 4]>::try_from(bytes)
        .map_or_else(|_| format!("<{bytes:?}>"), |bytes| Ipv4Addr::from(bytes).to_string())
}

fn number(bytes: &[u8]) -> String {
    <[u8; 2]>::try_from(bytes)
        .map_or_else(|_| format!("<{bytes:?}>"), |bytes| u16::from_be_bytes(bytes).to_string())
}

fn host_number(bytes: &[u8]) -> String {
    <[u8; 4]>::try_from(bytes)
        .map_or_else(|_| format!("<{bytes:?}>"), |bytes| u32::from_ne_bytes(bytes).to_string())
}
