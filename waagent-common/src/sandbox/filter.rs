use std::collections::BTreeMap;

use anyhow::{Context, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use super::syscalls::number;
use super::{Policy, Syscalls};
use crate::sys::sigsys;

/// Flags of clone(2) that make namespaces.
const NAMESPACES: u64 = 0x7e02_0080;
/// PROT_EXEC of mmap(2).
const PROT_EXEC: u64 = 4;
/// TCGETS: is it a terminal? FIONBIO: how the standard library makes sockets non-blocking.
const TCGETS: u32 = 0x5401;
const FIONBIO: u32 = 0x5421;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs the allowlist, and says what is in force. What isn't listed ends the process with 77 and the call's name.
pub(super) fn install(policy: &Policy, shortfalls: &mut Vec<String>) -> String {
    match build_and_apply(policy) {
        Ok(count) => format!("enforced, {count} system calls"),
        Err(error) => {
            let text = format!("cannot enter seccomp: {error:#}");
            shortfalls.push(text.clone());
            text
        }
    }
}

fn build_and_apply(policy: &Policy) -> Result<usize> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().context("this processor")?;
    let rules = rules(policy)?;
    let count = rules.len();
    sigsys::name_blocked_calls(policy.program)?;

    // clone3 takes its flags by pointer, where no filter can look: "not implemented" makes libc use clone.
    let clone3 = number("clone3").map(|clone3| (clone3, Vec::new())).into_iter().collect();
    apply(clone3, SeccompAction::Allow, SeccompAction::Errno(38), arch)?;
    if has(policy.syscalls, "tools") || has(policy.syscalls, "resolver") {
        apply(foreign_sockets(policy)?, SeccompAction::Allow, SeccompAction::Errno(97), arch)?;
    }
    apply(rules, SeccompAction::Trap, SeccompAction::Allow, arch)?;
    Ok(count)
}

fn apply(rules: Rules, otherwise: SeccompAction, matched: SeccompAction, arch: TargetArch) -> Result<()> {
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?;
    Ok(apply_filter(&program)?)
}

fn rules(policy: &Policy) -> Result<Rules> {
    let mut rules = Rules::new();
    for group in policy.syscalls {
        for name in group.calls {
            // A call that this processor doesn't have can't be made.
            let Some(call) = number(name) else { continue };
            rules.insert(call, Vec::new());
        }
    }
    narrow(&mut rules, policy)?;
    Ok(rules)
}

/// Narrows the dangerous calls by argument. A group named `tools` or `loader` has them whole: what an executed program
/// maps or asks of its terminal isn't ours to list.
fn narrow(rules: &mut Rules, policy: &Policy) -> Result<()> {
    let tools = has(policy.syscalls, "tools");
    if !tools && !has(policy.syscalls, "loader") {
        set(rules, "mmap", vec![masked(2, PROT_EXEC, 0)?]);
        set(rules, "mprotect", vec![masked(2, PROT_EXEC, 0)?]);
    }
    if let Some(clone) = number("clone")
        && rules.contains_key(&clone)
    {
        set(rules, "clone", vec![masked(0, NAMESPACES, 0)?]);
    }
    if tools {
        return Ok(());
    }
    let mut ioctls = vec![equals(1, u64::from(TCGETS))?];
    if !policy.families.is_empty() || has(policy.syscalls, "network") {
        ioctls.push(equals(1, u64::from(FIONBIO))?);
    }
    for ioctl in policy.ioctls {
        ioctls.push(equals(1, u64::from(ioctl.request))?);
    }
    set(rules, "ioctl", ioctls);
    if has(policy.syscalls, "resolver") {
        return Ok(());
    }
    sockets(rules, policy)
}

/// `socket` for the declared families alone; a pair of connected ones is always local.
fn sockets(rules: &mut Rules, policy: &Policy) -> Result<()> {
    let mut families = Vec::new();
    for grant in policy.families {
        families.push(equals(0, family(grant.what).with_context(|| grant.what.to_owned())?)?);
    }
    match number("socket") {
        Some(socket) if families.is_empty() => {
            rules.remove(&socket);
        }
        _ => set(rules, "socket", families),
    }
    if let Some(pair) = number("socketpair")
        && rules.contains_key(&pair)
    {
        set(rules, "socketpair", vec![equals(0, 1)?]);
    }
    Ok(())
}

/// Tools and the C library's resolver ask for sockets that they can do without (name service, address order): families
/// that aren't declared are "not supported" to them, as on a kernel that was built so (97), and to us.
fn foreign_sockets(policy: &Policy) -> Result<Rules> {
    let mut conditions = Vec::new();
    for grant in policy.families {
        let declared = family(grant.what).with_context(|| grant.what.to_owned())?;
        conditions.push(SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, declared)?);
    }
    let rules = if conditions.is_empty() { Vec::new() } else { vec![SeccompRule::new(conditions)?] };
    Ok(number("socket").map(|socket| (socket, rules)).into_iter().collect())
}

/// Numbers of linux/socket.h.
fn family(name: &str) -> Option<u64> {
    Some(match name {
        "AF_UNIX" => 1,
        "AF_INET" => 2,
        "AF_INET6" => 10,
        "AF_NETLINK" => 16,
        "AF_PACKET" => 17,
        _ => return None,
    })
}

fn has(groups: &[Syscalls], name: &str) -> bool {
    groups.iter().any(|group| group.what == name)
}

fn set(rules: &mut Rules, name: &str, narrowed: Vec<SeccompRule>) {
    if let Some(call) = number(name) {
        rules.insert(call, narrowed);
    }
}

fn equals(argument: u8, value: u64) -> Result<SeccompRule> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompRule> {
    condition(argument, SeccompCmpOp::MaskedEq(mask), value)
}

fn condition(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
