//! The few nf_tables expressions that our rules are made of: core ones only, in every kernel that has nf_tables.
//!
//! Each loads into register 1 or looks at it. Numbers are those of include/uapi/linux/netfilter/nf_tables.h.

use waagent_common::documents::FirewallDropped;
use waagent_common::text::one_line;

use crate::netlink::attribute::{Attributes, find, number, parse, text};

/// One step of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Loads bytes of the packet.
    Load(Field),
    /// Loads what the kernel knows about the packet.
    Meta(Meta),
    /// Keeps these bits of the one loaded byte.
    Mask(u8),
    /// Goes on if what is loaded equals this.
    Equals(Vec<u8>),
    /// Goes on if what is loaded differs from this.
    Differs(Vec<u8>),
    /// Counts; the counts are no part of the rule.
    Counter,
    /// Drops the packet.
    Drop,
    /// What isn't ours: its name.
    Foreign(String),
}

/// Bytes of a packet that our rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// Destination address of the IPv4 header.
    Destination,
    /// Destination port of the TCP header.
    Port,
    /// Flags of the TCP header.
    Flags,
}

impl Field {
    const ALL: [Self; 3] = [Self::Destination, Self::Port, Self::Flags];

    /// Header (1 network, 2 transport), offset and length in bytes (RFC 791 3.1, RFC 9293 3.1).
    const fn place(self) -> (u32, u32, u32) {
        match self {
            Self::Destination => (1, 16, 4),
            Self::Port => (2, 2, 2),
            Self::Flags => (2, 13, 1),
        }
    }
}

/// What the kernel knows about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    /// Uid of the socket's opener; a packet without a local socket ends the rule.
    SocketUid,
    /// Transport protocol.
    Protocol,
}

impl Meta {
    const fn key(self) -> u32 {
        match self {
            Self::SocketUid => 10,
            Self::Protocol => 16,
        }
    }
}

impl Expression {
    /// As an element of a rule's list.
    pub(crate) fn encode(&self) -> Attributes {
        let (name, data) = match self {
            Self::Load(field) => {
                let (header, offset, length) = field.place();
                let data = Attributes::new().number(1, REGISTER).number(2, header);
                ("payload", data.number(3, offset).number(4, length))
            }
            Self::Meta(meta) => ("meta", Attributes::new().number(1, REGISTER).number(2, meta.key())),
            Self::Mask(mask) => {
                let data = Attributes::new().number(1, REGISTER).number(2, REGISTER).number(3, 1);
                ("bitwise", data.nested(4, &value(&[*mask])).nested(5, &value(&[0])))
            }
            Self::Equals(bytes) => ("cmp", compare(EQUAL, bytes)),
            Self::Differs(bytes) => ("cmp", compare(NOT_EQUAL, bytes)),
            Self::Counter => ("counter", Attributes::new()),
            Self::Drop => {
                let verdict = Attributes::new().nested(2, &Attributes::new().number(1, DROP));
                ("immediate", Attributes::new().number(1, VERDICT).nested(2, &verdict))
            }
            Self::Foreign(name) => (name.as_str(), Attributes::new()),
        };
        Attributes::new().text(1, name).nested(2, &data)
    }

    /// An element of a rule's list as the kernel sent it, and its counts.
    pub(crate) fn decode(element: &[u8]) -> nix::Result<(Self, FirewallDropped)> {
        let element = parse(element)?;
        let name = text(&element, 1).unwrap_or_default();
        let data = parse(find(&element, 2).unwrap_or_default())?;
        let mut dropped = FirewallDropped::default();
        if name == "counter" {
            dropped = FirewallDropped { bytes: count(&data, 1), packets: count(&data, 2) };
        }
        let known = match name.as_str() {
            "payload" => load(&data),
            "meta" => meta(&data),
            "bitwise" => keep(&data)?,
            "cmp" => comparison(&data)?,
            "counter" => Some(Self::Counter),
            "immediate" => verdict(&data)?,
            _ => None,
        };
        Ok((known.unwrap_or_else(|| Self::Foreign(one_line(&name, 32))), dropped))
    }
}

fn compare(operator: u32, bytes: &[u8]) -> Attributes {
    Attributes::new().number(1, REGISTER).number(2, operator).nested(3, &value(bytes))
}

fn value(bytes: &[u8]) -> Attributes {
    Attributes::new().bytes(1, bytes)
}

/// Attributes as the kernel sent them.
type Data<'a> = [(u16, &'a [u8])];

fn load(data: &Data<'_>) -> Option<Expression> {
    let place = (number(data, 2)?, number(data, 3)?, number(data, 4)?);
    let field = Field::ALL.into_iter().find(|field| field.place() == place)?;
    (number(data, 1)? == REGISTER && data.len() == 4).then_some(Expression::Load(field))
}

fn meta(data: &Data<'_>) -> Option<Expression> {
    let key = number(data, 2)?;
    let meta = [Meta::SocketUid, Meta::Protocol].into_iter().find(|meta| meta.key() == key)?;
    (number(data, 1)? == REGISTER && data.len() == 2).then_some(Expression::Meta(meta))
}

fn keep(data: &Data<'_>) -> nix::Result<Option<Expression>> {
    let registers = [number(data, 1), number(data, 2)] == [Some(REGISTER); 2];
    // Kernels since 5.6 say which operation it is; 0 is the only one there was before.
    let plain = number(data, 6).unwrap_or(0) == 0 && find(data, 7).is_none();
    let (mask, flip) = (bytes_of(data, 4)?, bytes_of(data, 5)?);
    Ok(match mask.as_slice() {
        [mask] if registers && plain && number(data, 3) == Some(1) && flip == [0] => {
            Some(Expression::Mask(*mask))
        }
        _ => None,
    })
}

fn comparison(data: &Data<'_>) -> nix::Result<Option<Expression>> {
    let bytes = bytes_of(data, 3)?;
    Ok(match (number(data, 1), number(data, 2)) {
        (Some(REGISTER), Some(EQUAL)) => Some(Expression::Equals(bytes)),
        (Some(REGISTER), Some(NOT_EQUAL)) => Some(Expression::Differs(bytes)),
        _ => None,
    })
}

fn verdict(data: &Data<'_>) -> nix::Result<Option<Expression>> {
    let value = parse(find(data, 2).unwrap_or_default())?;
    let verdict = parse(find(&value, 2).unwrap_or_default())?;
    let drops = number(data, 1) == Some(VERDICT) && number(&verdict, 1) == Some(DROP);
    Ok(drops.then_some(Expression::Drop))
}

fn bytes_of(data: &Data<'_>, kind: u16) -> nix::Result<Vec<u8>> {
    let value = parse(find(data, kind).unwrap_or_default())?;
    Ok(find(&value, 1).unwrap_or_default().to_vec())
}

fn count(data: &Data<'_>, kind: u16) -> u64 {
    find(data, kind).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

const REGISTER: u32 = 1;
const VERDICT: u32 = 0;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;
const DROP: u32 = 0;
