//! All layers of a program side by side.

use waagent_declaration::selinux::{Context, Module, Rule};
use waagent_declaration::{Connects, Grant, Policy, Unit};

use crate::blocks::{Block, table};
use crate::programs::user;
use crate::{arguments, words};

/// A table: what is granted, by the declaration, by the unit and by the SELinux module.
pub fn side_by_side(policy: &Policy, units: &[&Unit], module: &Module, contexts: &[Context]) -> Block {
    let rules = module.of(policy.program).map_or(&[][..], |section| section.rules.as_slice());
    let rules = |kind: Kind| said(rules, kind, contexts);
    let unit = |key: &str| of_units(units, key);
    let rows: Vec<[String; 4]> = vec![
        ["User".into(), code(user(policy)), unit("User"), format!("domain `{}`", policy.selinux)],
        ["Groups".into(), names(policy.groups), unit("SupplementaryGroups"), "-".into()],
        [
            "Capabilities".into(),
            names(policy.capabilities),
            unit("CapabilityBoundingSet"),
            rules(Kind::Capability),
        ],
        ["Sockets".into(), names(policy.families), unit("RestrictAddressFamilies"), rules(Kind::Socket)],
        ["Connections".into(), connects(policy), addresses(units), rules(Kind::Connection)],
        ["Writes".into(), names(policy.writes), unit("ReadWritePaths"), rules(Kind::Write)],
        ["Devices".into(), devices(policy), unit("DeviceAllow"), rules(Kind::Device)],
        ["Executes".into(), names(policy.executes), "-".into(), rules(Kind::Execution)],
        ["System calls".into(), calls(policy), unit("SystemCallFilter"), "-".into()],
        ["Arguments of system calls".into(), argument_rules(policy), "-".into(), "-".into()],
    ];
    let head = [
        "",
        "Declaration: entered by the program (capabilities, Landlock, seccomp)",
        "Unit",
        "SELinux module",
    ];
    table(&head, rows.into_iter().map(Vec::from).collect())
}

/// What a rule grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Capability,
    Connection,
    Device,
    Execution,
    Socket,
    Write,
    Read,
}

fn kind(rule: &Rule) -> Kind {
    let text = &rule.text;
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&["self:capability", "unconfined_domain"]) {
        Kind::Capability
    } else if has(&[
        "_connect_",
        ":tcp_socket",
        "connectto",
        "dns_name_resolve",
        "init_stream_connect",
        "dgram_send",
    ]) && !has(&["self:"])
    {
        Kind::Connection
    } else if has(&["_socket ", "_socket_perms"]) {
        Kind::Socket
    } else if has(&["domtrans", "can_exec", "_exec_bin", "_exec_shell", "nnp_transition"]) {
        Kind::Execution
    } else if has(&["storage_", "dev_write", "dev_rw", "term_use"]) {
        Kind::Device
    } else if has(&["manage_", "filetrans", "append", "relabel", "setattr"]) {
        Kind::Write
    } else {
        Kind::Read
    }
}

fn said(rules: &[Rule], wanted: Kind, contexts: &[Context]) -> String {
    let mut lines: Vec<String> =
        rules.iter().filter(|rule| kind(rule) == wanted).map(|rule| words::of(rule, contexts)).collect();
    lines.dedup();
    if lines.is_empty() { "none".to_owned() } else { lines.join("\n") }
}

fn of_units(units: &[&Unit], key: &str) -> String {
    let one = |unit: &&Unit| {
        let values: Vec<&str> = unit.values(key).collect();
        match values.join("\n") {
            text if !unit.has(key) && key == "User" => format!("root{text}"),
            text if text.is_empty() => "none".to_owned(),
            text => text.lines().map(code).collect::<Vec<_>>().join("\n"),
        }
    };
    let all: Vec<String> = units.iter().map(one).collect();
    match all.split_first() {
        None => "no unit".to_owned(),
        Some((first, rest)) if rest.iter().all(|other| other == first) => first.clone(),
        Some(_) => {
            let lines = units.iter().zip(&all).map(|(unit, text)| format!("{}:\n{text}", unit.name));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

fn addresses(units: &[&Unit]) -> String {
    let line = |key: &str| match of_units(units, key).as_str() {
        "none" => String::new(),
        text => format!("{key}={}\n", text.replace('\n', " ")),
    };
    let text = format!("{}{}{}", line("PrivateNetwork"), line("IPAddressAllow"), line("IPAddressDeny"));
    text.trim_end().to_owned()
}

fn names(grants: &[Grant]) -> String {
    lines(grants.iter().map(|grant| code(grant.what)))
}

fn lines(items: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = items.collect();
    if all.is_empty() { "none".to_owned() } else { all.join("\n") }
}

fn connects(policy: &Policy) -> String {
    match policy.connects {
        Connects::Nowhere => "none".to_owned(),
        Connects::Ports(ports) => lines(ports.iter().map(|(port, _)| format!("TCP port {port}"))),
        Connects::Anywhere(_) => "TCP, any port".to_owned(),
    }
}

/// How many calls the filter lets through, and the groups that they come from.
fn calls(policy: &Policy) -> String {
    let mut all: Vec<&str> = policy.syscalls.iter().flat_map(|group| group.calls).copied().collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() {
        return "no filter".to_owned();
    }
    let groups: Vec<&str> =
        policy.syscalls.iter().map(|group| group.what).filter(|name| *name != "calls").collect();
    let single: Vec<&str> = policy
        .syscalls
        .iter()
        .filter(|group| group.what == "calls")
        .flat_map(|group| group.calls)
        .copied()
        .collect();
    let single = if single.is_empty() { String::new() } else { format!("\nand {}", single.join(", ")) };
    format!("{} calls: groups {}{single}", all.len(), groups.join(", "))
}

fn devices(policy: &Policy) -> String {
    lines(
        policy
            .devices
            .iter()
            .map(|device| format!("{} ({})", code(device.what), arguments::of_device(device))),
    )
}

/// What the filter enforces, from the same list.
fn argument_rules(policy: &Policy) -> String {
    lines(policy.rules().iter().map(arguments::of_rule))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
