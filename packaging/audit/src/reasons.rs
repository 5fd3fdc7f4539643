//! The reason of a rule that has no comment of its own: that of the grant which it carries out.

use waagent_declaration::selinux::{Context, Rule, Shape, is_below, paths_of, words};
use waagent_declaration::{Connects, Grant, Policy, grant};

use crate::blocks::{Span, spans};
use crate::tools::of_transition;

/// The reasons of the grants for the same paths, sockets, capabilities or ports.
pub fn of(rule: &Rule, said: &str, policy: &Policy, contexts: &[Context]) -> Option<String> {
    let found = match rule.shape()? {
        Shape::Allow { class, .. } if class == "capability" => whys(policy.capabilities.iter()),
        Shape::Allow { targets, class, .. } if targets.iter().any(|target| target == "self") => {
            whys(policy.families.iter().filter(|grant| is_of(&class, grant.what)))
        }
        Shape::Allow { targets, class, .. } if class == "process2" => {
            whys(targets.iter().flat_map(|target| of_transition(policy, target)))
        }
        Shape::Call { name, .. } if name.contains("_domtrans") => whys(of_transition(policy, &name)),
        Shape::Call { name, .. } if name.starts_with("corenet_tcp_connect") => connects(policy),
        Shape::Allow { targets, .. } => of_types(&targets, policy, contexts),
        Shape::Call { name, arguments } if name == "filetrans_pattern" => {
            of_types(&words(arguments.get(2)?), policy, contexts)
        }
        Shape::Call { name, arguments } if name.ends_with("_pattern") => {
            of_types(&words(arguments.last()?), policy, contexts)
        }
        Shape::Call { .. } => of_words(said, policy),
    };
    (!found.is_empty()).then_some(found)
}

/// Is a class that of a family's sockets?
fn is_of(class: &str, family: &str) -> bool {
    let prefixes: &[&str] = match family {
        "AF_NETLINK" => &["netlink_"],
        "AF_UNIX" => &["unix_"],
        "AF_INET" | "AF_INET6" => &["tcp_", "udp_"],
        _ => &[],
    };
    prefixes.iter().any(|prefix| class.starts_with(prefix))
}

fn connects(policy: &Policy) -> String {
    match policy.connects {
        Connects::Nowhere => String::new(),
        Connects::Anywhere(why) => why.to_owned(),
        Connects::Ports(ports) => join(ports.iter().map(|(_, why)| *why)),
    }
}

/// By the paths of the types: the nearest grant.
fn of_types(kinds: &[String], policy: &Policy, contexts: &[Context]) -> String {
    let covers = |grant: &&Grant| {
        kinds.iter().flat_map(|kind| paths_of(contexts, kind)).any(|path| is_below(path, grant.what))
    };
    let found = policy.reads.iter().chain(policy.writes).filter(covers).max_by_key(|grant| grant.what.len());
    found.map_or_else(String::new, |grant| grant.why.to_owned())
}

/// By the paths that the words name: every grant there.
fn of_words(said: &str, policy: &Policy) -> String {
    let paths: Vec<&str> = spans(said)
        .into_iter()
        .filter_map(|span| match span {
            Span::Code(path) if path.starts_with('/') => Some(path),
            _ => None,
        })
        .collect();
    let near = |grant: &&Grant| {
        paths.iter().any(|path| is_below(grant.what, path) || (is_below(path, grant.what) && *path != "/"))
    };
    let devices: Vec<Grant> = policy.devices.iter().map(|device| grant(device.what, device.why)).collect();
    let lists = [policy.reads, policy.writes, &devices, policy.executes];
    whys(lists.into_iter().flatten().filter(near))
}

fn whys<'a>(grants: impl Iterator<Item = &'a Grant>) -> String {
    join(grants.map(|grant| grant.why))
}

/// Reasons without those that were told already.
fn join<'a>(whys: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = Vec::new();
    for why in whys.filter(|why| *why != "the same" && *why != "the same: /proc") {
        if !all.contains(&why) {
            all.push(why);
        }
    }
    all.join("; ")
}
