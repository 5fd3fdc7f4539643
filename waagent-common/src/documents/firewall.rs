//! The host firewall as it is in force.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::words;

/// How the WireServer is protected from users other than root.
///
/// Written by waagent-net; read by `waagent status`. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firewall {
    /// By what means.
    pub backend: FirewallBackend,
    /// Does it hold?
    pub state: FirewallState,
    /// The address that is protected.
    pub address: Ipv4Addr,
    /// The rules in force, as `nft list` writes them, with the chain in front; read back from the kernel.
    pub rules: Vec<String>,
    /// What they have dropped since they were set.
    pub dropped: FirewallDropped,
    /// Rules of others in the `security` table (where WALinuxAgent puts its own) that name the address, and other
    /// tables of the machine: seen, never touched.
    pub foreign: Vec<String>,
    /// Why it doesn't hold, where it should.
    pub problem: Option<String>,
}

words! {
    /// By what means the firewall is set.
    pub enum FirewallBackend {
        /// A table of our own, by netlink.
        NfTables = "nf-tables",
    }
}

words! {
    /// Does the firewall hold?
    pub enum FirewallState {
        /// Exactly our rules are in force.
        Protected = "protected",
        /// `OS.EnableFirewall=n`: no table of ours is there.
        Off = "off",
        /// It should be in force, and isn't.
        Unprotected = "unprotected",
    }
}

/// Counters of the drop rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirewallDropped {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Body for Firewall {
    const NAME: &'static str = "firewall";
    const PATH: &'static str = "/var/lib/waagent/net/firewall.json";
    const PROGRAM: &'static str = "waagent-net";
    const WRITER: &'static str = "waagent-net";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.list("rules", &mut self.rules, 16);
        bounds.list("foreign", &mut self.foreign, 64);
        bounds.texts("rules[]", &mut self.rules, 512);
        bounds.texts("foreign[]", &mut self.foreign, 512);
        bounds.texts("problem", &mut self.problem, 512);
    }
}
