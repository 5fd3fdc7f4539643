//! The layer of system calls: seccomp(2).

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

use waagent_declaration::{Passes, Policy, Refusal, Rule, syscall_number as number};

use crate::sys::sigsys;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
/// Of each declared call, what passes: lists of conditions of which one list holds as a whole. None means whatever comes.
type Allowed = BTreeMap<i64, Vec<Vec<SeccompCondition>>>;

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

/// Of several filters the kernel takes the severest answer: what is answered by an error passes the allowlist.
fn build_and_apply(policy: &Policy) -> Result<usize> {
    let arch: TargetArch = std::env::consts::ARCH.try_into().context("this processor")?;
    let mut allowed = Allowed::new();
    for call in policy.syscalls.iter().flat_map(|group| group.calls) {
        // A call that this processor doesn't have can't be made.
        let Some(call) = number(call) else { continue };
        allowed.insert(call, Vec::new());
    }
    let mut answered = Vec::new();
    for rule in policy.rules() {
        let Some(call) = number(rule.call) else { continue };
        match rule.otherwise {
            Refusal::Errno(error) => answered.push((call, unless(&rule)?, u32::try_from(error)?)),
            Refusal::Ends => narrow(&mut allowed, call, &passing(&rule)?),
        }
    }
    let count = allowed.len();
    sigsys::name_blocked_calls(policy.program)?;
    for (call, rules, error) in answered {
        let rules = Rules::from([(call, rules)]);
        apply(rules, SeccompAction::Allow, SeccompAction::Errno(error), arch)?;
    }
    let mut rules = Rules::new();
    for (call, lists) in allowed {
        rules.insert(call, lists.into_iter().map(SeccompRule::new).collect::<Result<_, _>>()?);
    }
    apply(rules, SeccompAction::Trap, SeccompAction::Allow, arch)?;
    Ok(count)
}

fn apply(rules: Rules, otherwise: SeccompAction, matched: SeccompAction, arch: TargetArch) -> Result<()> {
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?;
    Ok(apply_filter(&program)?)
}

/// Each rule of a call holds, whatever its others say. One that nothing passes forbids the call.
fn narrow(allowed: &mut Allowed, call: i64, passing: &[SeccompCondition]) {
    let Some(mut lists) = allowed.remove(&call) else { return };
    if lists.is_empty() {
        lists.push(Vec::new());
    }
    let with_each = |list: &Vec<SeccompCondition>| {
        let list = list.clone();
        passing.iter().map(move |condition| [list.as_slice(), std::slice::from_ref(condition)].concat())
    };
    let narrowed: Vec<_> = lists.iter().flat_map(with_each).collect();
    if !narrowed.is_empty() {
        allowed.insert(call, narrowed);
    }
}

/// What passes holds one of these.
fn passing(rule: &Rule) -> Result<Vec<SeccompCondition>> {
    match &rule.passes {
        Passes::Only(values) => {
            values.iter().map(|(_, value)| condition(rule, SeccompCmpOp::Eq, *value)).collect()
        }
        Passes::Without(_, bits) => Ok(vec![condition(rule, SeccompCmpOp::MaskedEq(u64::from(*bits)), 0)?]),
    }
}

/// Matches what doesn't pass; without a condition everything does.
fn unless(rule: &Rule) -> Result<Vec<SeccompRule>> {
    let Passes::Only(values) = &rule.passes else {
        anyhow::bail!("bits of '{}' can't be answered by an error", rule.call)
    };
    let others: Vec<SeccompCondition> =
        values.iter().map(|(_, value)| condition(rule, SeccompCmpOp::Ne, *value)).collect::<Result<_>>()?;
    Ok(if others.is_empty() { Vec::new() } else { vec![SeccompRule::new(others)?] })
}

fn condition(rule: &Rule, compare: SeccompCmpOp, value: u32) -> Result<SeccompCondition> {
    Ok(SeccompCondition::new(rule.argument, SeccompCmpArgLen::Dword, compare, u64::from(value))?)
}
