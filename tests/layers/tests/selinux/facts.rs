//! What a program declares and what its domain grants, as words of the same kind: two functions for each kind.

use std::collections::BTreeSet;

use waagent_declaration::selinux::{contexts, is_below};
use waagent_declaration::{Declaration, Entry, Ports};
use waagent_layers::{declarations, text};

use super::linked::{Linked, Rule};
use super::types::ANY;

pub type Words = BTreeSet<String>;

/// A kind of right: its name in the table of differences, what is declared, and what rules grant.
pub struct Kind {
    pub name: &'static str,
    pub declared: fn(&Linked, &Declaration) -> Words,
    pub granted: fn(&Linked, &str, &BTreeSet<Rule>) -> Words,
}

pub const KINDS: &[Kind] = &[
    Kind { name: "capabilities", declared: capabilities, granted: granted_capabilities },
    Kind { name: "families", declared: families, granted: granted_families },
    Kind { name: "connects", declared: connects, granted: granted_connects },
    Kind { name: "writes", declared: writes, granted: granted_writes },
    Kind { name: "reads", declared: reads, granted: granted_reads },
    Kind { name: "devices", declared: devices, granted: granted_devices },
    Kind { name: "executes", declared: executes, granted: granted_executes },
    // Nobody declares these two: each line is one of the table, with its reason.
    Kind { name: "relabels", declared: nothing, granted: granted_relabels },
    Kind { name: "uses", declared: nothing, granted: granted_uses },
];

fn nothing(_: &Linked, _: &Declaration) -> Words {
    Words::new()
}

pub fn what(entries: &[Entry]) -> impl Iterator<Item = &str> {
    entries.iter().map(|entry| entry.what.as_str())
}

/// Rules of a domain that hold whatever the booleans are.
fn always(rules: &BTreeSet<Rule>) -> impl Iterator<Item = &Rule> {
    rules.iter().filter(|rule| rule.condition.is_none())
}

fn capabilities(_: &Linked, of: &Declaration) -> Words {
    what(&of.capabilities).map(str::to_owned).collect()
}

fn granted_capabilities(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    always(rules)
        .filter(|rule| rule.class.starts_with("cap"))
        .map(|rule| format!("CAP_{}", rule.permission.to_uppercase()))
        .collect()
}

/// A family is a class of sockets or more; IPv4 and IPv6 are one to SELinux.
fn families(_: &Linked, of: &Declaration) -> Words {
    what(&of.families)
        .map(|family| if family == "AF_INET6" { "AF_INET" } else { family }.to_owned())
        .collect()
}

fn granted_families(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    const INTERNET: &[&str] = &["tcp", "udp", "rawip", "icmp", "sctp", "dccp", "mptcp"];
    always(rules)
        .filter(|rule| rule.target == "self" && rule.permission == "create")
        .filter_map(|rule| rule.class.strip_suffix("_socket"))
        .map(|class| match class.split('_').next().unwrap_or(class) {
            first if INTERNET.contains(&first) => "AF_INET".to_owned(),
            "unix" => "AF_UNIX".to_owned(),
            "netlink" => "AF_NETLINK".to_owned(),
            _ => format!("AF_{}", class.to_uppercase()),
        })
        .collect()
}

fn connects(linked: &Linked, of: &Declaration) -> Words {
    match &of.connects {
        Ports::Nowhere => Words::new(),
        Ports::Ports(ports) => ports.iter().map(|(port, _)| linked.type_of_port(*port)).collect(),
        Ports::Anywhere(_) => Words::from(["any".to_owned()]),
    }
}

fn granted_connects(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    always(rules)
        .filter_map(|rule| match rule.permission.as_str() {
            "name_connect" => Some(rule.target.clone()),
            "name_bind" => Some(format!("bind {}", rule.target)),
            _ => None,
        })
        .collect()
}

/// Our own types and their places, as far as those are literal.
pub fn our_places() -> BTreeSet<(String, String)> {
    let literal = |pattern: &str| {
        let plain = pattern.replace("\\.", ".");
        let end = plain.find(['(', '[']).unwrap_or(plain.len());
        let plain = &plain[..end];
        plain.find(".*").map_or(plain, |end| &plain[..end]).to_owned()
    };
    contexts(&text("selinux/waagent.fc")).into_iter().map(|it| (literal(&it.pattern), it.kind)).collect()
}

/// A type of ours belongs to who declares its place most closely.
fn owned_types(program: &str) -> Words {
    let all = declarations();
    let writers: Vec<(&str, &str)> =
        all.iter().flat_map(|it| what(&it.writes).map(|path| (it.program.as_str(), path))).collect();
    our_places()
        .into_iter()
        .filter(|(root, _)| {
            let around: Vec<_> = writers.iter().filter(|(_, folder)| is_below(root, folder)).collect();
            let closest = around.iter().map(|(_, folder)| folder.len()).max();
            around.iter().any(|(writer, folder)| *writer == program && Some(folder.len()) == closest)
        })
        .map(|(_, kind)| kind)
        .collect()
}

fn writes(linked: &Linked, of: &Declaration) -> Words {
    let mut types = linked.types_of(what(&of.writes), ANY);
    types.extend(owned_types(&of.program));
    types
}

const CHANGING: &[&str] = &[
    "add_name",
    "append",
    "create",
    "link",
    "remove_name",
    "rename",
    "reparent",
    "rmdir",
    "setattr",
    "unlink",
    "write",
];

fn granted_writes(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    always(rules)
        .filter(|rule| rule.target != "self" && ["dir", "file", "lnk_file"].contains(&rule.class.as_str()))
        .filter(|rule| CHANGING.contains(&rule.permission.as_str()))
        .map(|rule| rule.target.clone())
        .collect()
}

/// What is written is read as well, and not said twice.
fn reads(linked: &Linked, of: &Declaration) -> Words {
    let written = writes(linked, of);
    linked.types_of(what(&of.reads), ANY).difference(&written).cloned().collect()
}

fn granted_reads(linked: &Linked, domain: &str, rules: &BTreeSet<Rule>) -> Words {
    let mut said = granted_writes(linked, domain, rules);
    let executed = granted_executes(linked, domain, rules);
    said.extend(executed.iter().filter_map(|it| it.split_once('>')).map(|(kind, _)| kind.to_owned()));
    always(rules)
        .filter(|rule| !rule.target.starts_with("self") && ["dir", "file"].contains(&rule.class.as_str()))
        .filter(|rule| rule.permission == "read" && !said.contains(&rule.target))
        .map(|rule| rule.target.clone())
        .collect()
}

/// A class of disks by its first one.
fn devices(linked: &Linked, of: &Declaration) -> Words {
    of.devices
        .iter()
        .map(|node| match node.what.as_str() {
            "block-sd" => linked.own_or_folders("/dev/sda", "block"),
            "block-sr" => linked.own_or_folders("/dev/sr0", "block"),
            path if path.starts_with("/dev/sd") || path.starts_with("/dev/sr") => {
                linked.own_or_folders(path, "block")
            }
            path => linked.own_or_folders(path, "char"),
        })
        .collect()
}

fn granted_devices(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    always(rules)
        .filter(|rule| ["blk_file", "chr_file"].contains(&rule.class.as_str()))
        .filter(|rule| ["append", "create", "open", "read", "write"].contains(&rule.permission.as_str()))
        .map(|rule| rule.target.clone())
        .collect()
}

/// A tool runs in the domain that the distribution has for it; where there is none, in its caller's.
fn executes(linked: &Linked, of: &Declaration) -> Words {
    let domain_of = |kind: &str| {
        if ["bin_t", "shell_exec_t", "lib_t"].contains(&kind) {
            return "self";
        }
        let of_others =
            linked.transitions.iter().filter(|it| it.executed == kind && !it.source.starts_with("waagent"));
        let domains: Vec<&str> = of_others.map(|it| it.domain.as_str()).collect();
        let count = |domain: &str| domains.iter().filter(|other| **other == domain).count();
        domains.iter().copied().max_by_key(|domain| count(domain)).unwrap_or("self")
    };
    let types = linked.types_of(what(&of.executes), "file");
    types.iter().map(|kind| format!("{kind}>{}", domain_of(kind))).collect()
}

/// A transition takes a rule that names it, and the right to it, also for who has given up new privileges.
fn granted_executes(linked: &Linked, domain: &str, rules: &BTreeSet<Rule>) -> Words {
    let has = |target: &str, class: &str, permission: &str| {
        always(rules).any(|rule| {
            (rule.target.as_str(), rule.class.as_str(), rule.permission.as_str())
                == (target, class, permission)
        })
    };
    let own = always(rules)
        .filter(|rule| rule.class == "file" && rule.permission == "execute_no_trans")
        .map(|rule| format!("{}>self", rule.target));
    let others = linked
        .transitions
        .iter()
        .filter(|it| it.source == domain && it.condition.is_none())
        .filter(|it| {
            has(&it.domain, "process", "transition")
                && has(&it.domain, "process2", "nnp_transition")
                && has(&it.executed, "file", "execute")
        })
        .map(|it| format!("{}>{}", it.executed, it.domain));
    own.chain(others).collect()
}

fn granted_relabels(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    always(rules)
        .filter_map(|rule| Some(format!("{} {}", rule.permission.strip_prefix("relabel")?, rule.target)))
        .collect()
}

/// What isn't a file, a socket of its own, or said above: other processes, the kernel, the service manager.
fn granted_uses(_: &Linked, _: &str, rules: &BTreeSet<Rule>) -> Words {
    const FILES: &[&str] = &["dir", "file", "lnk_file", "blk_file", "chr_file", "fifo_file", "filesystem"];
    // Labels of packets and interfaces: they open nothing without the right to a port.
    const PACKETS: &[&str] = &["association", "netif", "node", "packet", "peer"];
    let changes_itself = |permission: &str| {
        ["exec", "ptrace", "dyn", "setexec", "setcurrent"].iter().any(|begin| permission.starts_with(begin))
            || (permission.starts_with("set") && permission.contains("create"))
    };
    always(rules)
        .filter(|rule| {
            let (class, permission) = (rule.class.as_str(), rule.permission.as_str());
            let is_own = rule.target == "self" && (class.ends_with("_socket") || class == "process");
            let is_said_above = FILES.contains(&class)
                || class.starts_with("cap")
                || (is_own && !changes_itself(permission))
                || ["name_connect", "name_bind", "transition", "nnp_transition"].contains(&permission);
            let is_a_packets_label = PACKETS.contains(&class) || rule.target == "netlabel_peer_t";
            !is_said_above && !is_a_packets_label
        })
        .map(|rule| match rule.class.as_str() {
            "security" | "service" | "system" => {
                format!("{} {}:{}", rule.permission, rule.target, rule.class)
            }
            _ => format!("{}:{}", rule.target, rule.class),
        })
        .collect()
}
