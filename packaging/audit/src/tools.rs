//! Executed tools: in which SELinux domain each runs.

use waagent_declaration::{Grant, Policy};

use crate::programs::Level;
use waagent_declaration::selinux::Module;

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

/// The executed tools that a transition is for, by its interface or its domain.
pub fn of_transition<'a>(policy: &'a Policy, transition: &'a str) -> impl Iterator<Item = &'a Grant> {
    let leads = |(_, interface, domain): &&(&str, &str, &str)| {
        *interface == transition || domain.ends_with(&format!("`{transition}`"))
    };
    let prefixes: Vec<&str> = TRANSITIONS.iter().filter(leads).map(|(prefix, _, _)| *prefix).collect();
    policy.executes.iter().filter(move |grant| {
        let name = grant.what.rsplit('/').next().unwrap_or(grant.what);
        prefixes.iter().any(|prefix| name.starts_with(prefix))
    })
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
