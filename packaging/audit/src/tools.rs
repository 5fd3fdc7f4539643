//! Executed tools: in which SELinux domain each runs.

use waagent_common::sandbox::{Grant, Policy};

use crate::contexts::{Context, paths_of};
use crate::programs::Level;
use crate::reach::is_below;
use crate::selinux::{Module, Rule, Shape, words};

/// The domain that a tool runs in, in words: the distribution's where the module has a transition to it.
pub fn domain_of(tool: &str, policy: &Policy, module: &Module) -> &'static str {
    if Level::of(policy) == Level::Unconfined {
        return "this program's own domain, unless the boolean is off";
    }
    let name = tool.rsplit('/').next().unwrap_or(tool);
    let calls = |interface: &str| {
        let rules = module.of(policy.program).map_or(&[][..], |section| section.rules.as_slice());
        rules.iter().any(|rule| rule.text.starts_with(&format!("{interface}(")))
    };
    TRANSITIONS
        .iter()
        .find(|(prefix, interface, _)| name.starts_with(prefix) && calls(interface))
        .map_or("this program's own domain", |(_, _, domain)| domain)
}

/// The reason of a rule that has none of its own: that of the grant for the same path.
pub fn fallback_why(rule: &Rule, policy: &Policy, contexts: &[Context]) -> Option<String> {
    let (kinds, writes) = match rule.shape()? {
        Shape::Allow { targets, .. } => (targets, false),
        Shape::Call { name, arguments } => (words(arguments.last()?), name.starts_with("manage_")),
    };
    let grants = if writes { policy.writes } else { policy.reads };
    let covers = |grant: &&Grant| {
        kinds.iter().flat_map(|kind| paths_of(contexts, kind)).any(|path| is_below(path, grant.what))
    };
    let found = grants.iter().chain(policy.writes).filter(covers).max_by_key(|grant| grant.what.len());
    found.map(|grant| grant.why.to_owned())
}

/// Names of tools, the interface that makes the transition, and the domain in words.
const TRANSITIONS: &[(&str, &str, &str)] = &[
    ("mkfs", "fstools_domtrans", "the distribution's domain `fsadm_t`"),
    ("fsck", "fstools_domtrans", "the distribution's domain `fsadm_t`"),
    ("useradd", "usermanage_domtrans_useradd", "the distribution's domain `useradd_t`"),
    ("passwd", "usermanage_domtrans_passwd", "the distribution's domain `passwd_t`"),
    ("chpasswd", "usermanage_domtrans_passwd", "the distribution's domain `passwd_t`"),
    ("ssh-keygen", "ssh_domtrans_keygen", "the distribution's domain `ssh_keygen_t`"),
    ("restorecon", "seutil_domtrans_setfiles", "the distribution's domain `setfiles_t`"),
];
