//! nf_tables by netlink: what is there, and the one transaction that sets or removes our table.
//!
//! Messages and attributes: include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h.

use std::net::Ipv4Addr;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

use waagent_common::documents::FirewallDropped;
use waagent_common::text::one_line;

use super::expression::Expression;
use super::ruleset::{Chain, TABLE};
use crate::netlink::attribute::{Attributes, find, number, parse, text};
use crate::netlink::message::{ACK, APPEND, CREATE, DUMP, Message};
use crate::netlink::socket::Socket;

/// What is in force under our table's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Flags of the table of that name, if there is one.
    pub(crate) table: Option<u32>,
    /// Its chains, in the kernel's order.
    pub(crate) chains: Vec<FoundChain>,
    /// Its rules, chain by chain, in order.
    pub(crate) rules: Vec<FoundRule>,
}

/// A chain that is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FoundChain {
    name: String,
    hook: Option<(u32, u32)>,
    policy: Option<u32>,
    kind: Option<String>,
}

/// A rule that is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FoundRule {
    /// Name of its chain.
    pub(crate) chain: String,
    /// What it does.
    pub(crate) expressions: Vec<Expression>,
    /// What it has counted.
    pub(crate) counted: FirewallDropped,
}

impl Found {
    /// Reads what is there.
    pub(crate) fn read() -> nix::Result<Self> {
        let socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
        let table = names(&socket, IPV4)?.into_iter().find(|(name, _)| name == TABLE);
        let mut found = Self { table: table.map(|(_, flags)| flags), ..Self::default() };
        if found.table.is_some() {
            found.chains = chains(&socket)?;
            found.rules = rules(&socket, TABLE)?;
        }
        Ok(found)
    }

    /// Is exactly this in force, nothing less and nothing more?
    pub(crate) fn is(&self, wanted: Option<&[Chain]>) -> bool {
        let Some(wanted) = wanted else { return self.table.is_none() };
        let chains = wanted.iter().map(|chain| FoundChain {
            name: chain.name.to_owned(),
            hook: Some((chain.hook, PRIORITY)),
            policy: Some(ACCEPT),
            kind: Some("filter".to_owned()),
        });
        let rules = wanted.iter().flat_map(|chain| chain.rules.iter().map(|rule| (chain.name, rule)));
        // A table with the flag `dormant` does nothing.
        self.table == Some(0)
            && self.chains.iter().eq(chains.collect::<Vec<_>>().iter())
            && self.rules.iter().map(|rule| (rule.chain.as_str(), &rule.expressions)).eq(rules)
    }

    /// What its rules have counted, together.
    pub(crate) fn dropped(&self) -> FirewallDropped {
        self.rules.iter().fold(FirewallDropped::default(), |sum, rule| FirewallDropped {
            packets: sum.packets.saturating_add(rule.counted.packets),
            bytes: sum.bytes.saturating_add(rule.counted.bytes),
        })
    }
}

/// Sets our table, or removes it, in one transaction: all of it takes effect, or nothing.
pub(crate) fn set(wanted: Option<&[Chain]>) -> nix::Result<()> {
    let messages = transaction(wanted);
    // The end of a batch isn't acknowledged by every kernel; the message before it is.
    let last = u32::try_from(messages.len()).map_err(|_| Errno::E2BIG)?.saturating_sub(1);
    Socket::open(SockProtocol::NetlinkNetFilter)?.transact(&messages, last)
}

/// The messages of [`set`].
pub(crate) fn transaction(wanted: Option<&[Chain]>) -> Vec<Message> {
    let table = Attributes::new().text(TABLE_NAME, TABLE);
    // Made first, so that removing it can't fail, whether or not there is one.
    let mut messages = vec![batch(BATCH_BEGIN), make(NEW_TABLE, &table), change(DELETE_TABLE, 0, &table)];
    if let Some(wanted) = wanted {
        messages.push(make(NEW_TABLE, &table));
        messages.extend(wanted.iter().map(new_chain));
        for chain in wanted {
            messages.extend(chain.rules.iter().map(|rule| new_rule(chain.name, rule)));
        }
    }
    messages.push(batch(BATCH_END));
    messages
}

/// Other tables of the machine, and rules in `ip security` that name the address: for the report.
pub(crate) fn foreign(address: Ipv4Addr) -> nix::Result<Vec<String>> {
    let socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
    let mut foreign = Vec::new();
    for (family, word) in FAMILIES {
        for (name, _) in names(&socket, family)? {
            if (family, name.as_str()) != (IPV4, TABLE) {
                foreign.push(format!("table {word} {}", one_line(&name, 64)));
            }
        }
    }
    for rule in dump(&socket, GET_RULE, NEW_RULE, IPV4, &Attributes::new().text(RULE_TABLE, SECURITY))? {
        let attributes = parse(&rule)?;
        let expressions = find(&attributes, RULE_EXPRESSIONS).unwrap_or_default();
        let names_it = expressions.windows(4).any(|bytes| bytes == address.octets());
        if text(&attributes, RULE_TABLE).as_deref() == Some(SECURITY) && names_it {
            let chain = text(&attributes, RULE_CHAIN).unwrap_or_default();
            foreign.push(format!("rule in ip security {} for {address}", one_line(&chain, 64)));
        }
    }
    Ok(foreign)
}

/// Names and flags of a family's tables.
fn names(socket: &Socket, family: u8) -> nix::Result<Vec<(String, u32)>> {
    let tables = dump(socket, GET_TABLE, NEW_TABLE, family, &Attributes::new())?;
    let table = |table: &Vec<u8>| {
        let attributes = parse(table)?;
        let name = text(&attributes, TABLE_NAME).unwrap_or_default();
        Ok((name, number(&attributes, TABLE_FLAGS).unwrap_or(0)))
    };
    tables.iter().map(table).collect()
}

fn chains(socket: &Socket) -> nix::Result<Vec<FoundChain>> {
    let mut found = Vec::new();
    for chain in dump(socket, GET_CHAIN, NEW_CHAIN, IPV4, &Attributes::new().text(CHAIN_TABLE, TABLE))? {
        let attributes = parse(&chain)?;
        // Older kernels send the chains of every table.
        if text(&attributes, CHAIN_TABLE).as_deref() != Some(TABLE) {
            continue;
        }
        let hook = match find(&attributes, CHAIN_HOOK) {
            Some(hook) => {
                let hook = parse(hook)?;
                number(&hook, HOOK_NUMBER).zip(number(&hook, HOOK_PRIORITY))
            }
            None => None,
        };
        found.push(FoundChain {
            name: text(&attributes, CHAIN_NAME).unwrap_or_default(),
            hook,
            policy: number(&attributes, CHAIN_POLICY),
            kind: text(&attributes, CHAIN_TYPE),
        });
    }
    Ok(found)
}

fn rules(socket: &Socket, table: &str) -> nix::Result<Vec<FoundRule>> {
    let mut found = Vec::new();
    for rule in dump(socket, GET_RULE, NEW_RULE, IPV4, &Attributes::new().text(RULE_TABLE, table))? {
        let attributes = parse(&rule)?;
        if text(&attributes, RULE_TABLE).as_deref() != Some(table) {
            continue;
        }
        let (mut expressions, mut counted) = (Vec::new(), FirewallDropped::default());
        for (_, element) in parse(find(&attributes, RULE_EXPRESSIONS).unwrap_or_default())? {
            let (expression, counts) = Expression::decode(element)?;
            if expression == Expression::Counter {
                counted = counts;
            }
            expressions.push(expression);
        }
        found.push(FoundRule {
            chain: text(&attributes, RULE_CHAIN).unwrap_or_default(),
            expressions,
            counted,
        });
    }
    Ok(found)
}

/// The attributes of everything of a kind; each body begins with the four bytes of `struct nfgenmsg`.
fn dump(
    socket: &Socket,
    question: u8,
    answer: u8,
    family: u8,
    filter: &Attributes,
) -> nix::Result<Vec<Vec<u8>>> {
    let message = Message { flags: DUMP, ..message(question, 0, family, filter) };
    let bodies = socket.dump(&message, u16::from_be_bytes([SUBSYSTEM, answer]))?;
    Ok(bodies.into_iter().map(|body| body.get(4..).unwrap_or_default().to_vec()).collect())
}

fn new_chain(chain: &Chain) -> Message {
    let hook = Attributes::new().number(HOOK_NUMBER, chain.hook).number(HOOK_PRIORITY, PRIORITY);
    let attributes = Attributes::new()
        .text(CHAIN_TABLE, TABLE)
        .text(CHAIN_NAME, chain.name)
        .nested(CHAIN_HOOK, &hook)
        .number(CHAIN_POLICY, ACCEPT)
        .text(CHAIN_TYPE, "filter");
    make(NEW_CHAIN, &attributes)
}

fn new_rule(chain: &str, rule: &[Expression]) -> Message {
    let expressions = rule
        .iter()
        .fold(Attributes::new(), |list, expression| list.nested(LIST_ELEMENT, &expression.encode()));
    let attributes = Attributes::new()
        .text(RULE_TABLE, TABLE)
        .text(RULE_CHAIN, chain)
        .nested(RULE_EXPRESSIONS, &expressions);
    change(NEW_RULE, CREATE | APPEND, &attributes)
}

fn make(kind: u8, attributes: &Attributes) -> Message {
    change(kind, CREATE, attributes)
}

fn change(kind: u8, flags: u16, attributes: &Attributes) -> Message {
    message(kind, flags | ACK, IPV4, attributes)
}

fn message(kind: u8, flags: u16, family: u8, attributes: &Attributes) -> Message {
    // struct nfgenmsg: family, version 0, resource 0.
    let mut body = vec![family, 0, 0, 0];
    body.extend(attributes.as_bytes());
    Message { kind: u16::from_be_bytes([SUBSYSTEM, kind]), flags, body }
}

/// Begin and end of a batch name the subsystem in network byte order.
fn batch(kind: u16) -> Message {
    Message { kind, flags: 0, body: vec![0, 0, 0, SUBSYSTEM] }
}

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u8 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u8 = 0;
const GET_TABLE: u8 = 1;
const DELETE_TABLE: u8 = 2;
const NEW_CHAIN: u8 = 3;
const GET_CHAIN: u8 = 4;
const NEW_RULE: u8 = 6;
const GET_RULE: u8 = 7;
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
/// `NF_ACCEPT`.
const ACCEPT: u32 = 1;
/// Priority of `filter`.
const PRIORITY: u32 = 0;
/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;
/// `NFPROTO_...`, and the words of `nft`.
const FAMILIES: [(u8, &str); 6] =
    [(1, "inet"), (IPV4, "ip"), (3, "arp"), (5, "netdev"), (7, "bridge"), (10, "ip6")];
/// Where WALinuxAgent's iptables rules are, which iptables-nft makes rules of nf_tables.
const SECURITY: &str = "security";
