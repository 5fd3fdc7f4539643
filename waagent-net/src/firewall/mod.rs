//! The host firewall: only uid 0 may open connections to the WireServer.

use std::net::Ipv4Addr;

use nix::errno::Errno;

use waagent_common::documents::{Firewall, FirewallBackend, FirewallDropped, FirewallState};
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::text::cut;

pub(crate) mod expression;
pub(crate) mod ruleset;
pub(crate) mod tables;
pub(crate) mod words;

use ruleset::{Chain, TABLE};
use tables::Found;
use words::words;

/// What a run of the firewall came to.
#[derive(Debug)]
pub struct Enforcement {
    /// For `net/firewall.json`.
    pub(crate) body: Firewall,
    /// Did the kernel's tables change?
    pub(crate) changed: bool,
    /// Why it isn't as it should be.
    pub fault: Option<Fault>,
}

impl Enforcement {
    /// One phrase for the result line.
    pub(crate) fn said(&self) -> String {
        match self.body.state {
            FirewallState::Off => "firewall off (OS.EnableFirewall=n)".to_owned(),
            FirewallState::Unprotected => "firewall not in force".to_owned(),
            FirewallState::Protected => {
                let (rules, address) = (self.body.rules.len(), self.body.address);
                if self.changed {
                    return format!("set {rules} firewall rules for {address}");
                }
                let dropped = self.body.dropped.packets;
                format!("{rules} firewall rules for {address} in force, {dropped} packets dropped")
            }
        }
    }
}

/// Makes the kernel's tables as they should be; looks first, and does nothing where they are.
pub fn enforce(address: Ipv4Addr, enabled: bool) -> Enforcement {
    let wanted = enabled.then(|| ruleset::wanted(address));
    let (found, changed, failed) = match bring_about(wanted.as_deref()) {
        Ok((found, changed)) => (found, changed, None),
        // Where the kernel has no tables at all, there is none of ours to remove.
        Err(fault) if !enabled && fault.exit == Exit::Unavailable => (Found::default(), false, None),
        Err(fault) => (Found::default(), false, Some(fault)),
    };
    let state = match (&failed, enabled) {
        (None, true) => FirewallState::Protected,
        (None, false) => FirewallState::Off,
        (Some(_), _) => FirewallState::Unprotected,
    };
    // What can't be listed is no reason to fail: it is only for the report.
    let mut foreign = tables::foreign(address).unwrap_or_default();
    foreign.truncate(64);
    let body = Firewall {
        backend: FirewallBackend::NfTables,
        state,
        address,
        rules: shown(&found),
        dropped: if failed.is_some() { FirewallDropped::default() } else { found.dropped() },
        foreign,
        problem: failed.as_ref().map(|fault| cut(&fault.text, 500).to_owned()),
    };
    Enforcement { body, changed, fault: failed }
}

/// What [`enforce`] would change, in words like those of `nft`; empty where nothing would.
pub(crate) fn plan(address: Ipv4Addr, enabled: bool) -> Result<Vec<String>, Fault> {
    let wanted = enabled.then(|| ruleset::wanted(address));
    let found = Found::read().map_err(|errno| refused("read the firewall", errno))?;
    if found.is(wanted.as_deref()) {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    if found.table.is_some() {
        lines.push(format!("delete table ip {TABLE}"));
        lines.extend(shown(&found).iter().map(|rule| format!("# was: {rule}")));
    }
    if let Some(chains) = wanted {
        lines.push(format!("add table ip {TABLE}"));
        for chain in &chains {
            let name = chain.name;
            lines.push(format!(
                "add chain ip {TABLE} {name} {{ type filter hook {name} priority filter; policy accept; }}"
            ));
        }
        for chain in &chains {
            let add = |rule: &Vec<_>| format!("add rule ip {TABLE} {} {}", chain.name, words(rule));
            lines.extend(chain.rules.iter().map(add));
        }
    }
    Ok(lines)
}

fn bring_about(wanted: Option<&[Chain]>) -> Result<(Found, bool), Fault> {
    let found = Found::read().map_err(|errno| refused("read the firewall", errno))?;
    if found.is(wanted) {
        return Ok((found, false));
    }
    if found.table.is_some() && wanted.is_some() {
        let rules = shown(&found).join("; ");
        log::warning(&format!("table 'ip {TABLE}' isn't as it should be ({rules}), using our own rules"));
    }
    tables::set(wanted).map_err(|errno| refused("set the firewall", errno))?;
    let found = Found::read().map_err(|errno| refused("read the firewall", errno))?;
    if found.is(wanted) {
        return Ok((found, true));
    }
    let rules = shown(&found).join("; ");
    let text = format!("cannot set the firewall: table 'ip {TABLE}' is not as it was set: {rules}");
    Err(Fault::new(Exit::Os, text))
}

/// Rules with their chain in front, bounded as the document is.
fn shown(found: &Found) -> Vec<String> {
    let line = |rule: &tables::FoundRule| format!("{}: {}", rule.chain, words(&rule.expressions));
    found.rules.iter().take(16).map(|rule| cut(&line(rule), 500).to_owned()).collect()
}

fn refused(act: &str, errno: Errno) -> Fault {
    let (exit, why) = match errno {
        Errno::EPERM => (Exit::NotPermitted, "CAP_NET_ADMIN is missing, or another program owns the table"),
        // No such protocol, subsystem or expression.
        Errno::EPROTONOSUPPORT | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOENT => (
            Exit::Unavailable,
            "the kernel has no nf_tables; load or build it in, or set OS.EnableFirewall=n",
        ),
        _ => (Exit::Os, "see the kernel's log"),
    };
    Fault::new(exit, format!("cannot {act} (table 'ip {TABLE}'): {errno}; {why}"))
}
