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
    let mut allowed = Rules::new();
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
            Refusal::Ends => match passing(&rule)? {
                none if none.is_empty() => drop(allowed.remove(&call)),
                passing => drop(allowed.insert(call, passing)),
            },
        }
    }
    let count = allowed.len();
    sigsys::name_blocked_calls(policy.program)?;
    for (call, rules, error) in answered {
        let rules = Rules::from([(call, rules)]);
        apply(rules, SeccompAction::Allow, SeccompAction::Errno(error), arch)?;
    }
    apply(allowed, SeccompAction::Trap, SeccompAction::Allow, arch)?;
    Ok(count)
}

fn apply(rules: Rules, otherwise: SeccompAction, matched: SeccompAction, arch: TargetArch) -> Result<()> {
    let program: BpfProgram = SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?;
    Ok(apply_filter(&program)?)
}

/// Matches what passes.
fn passing(rule: &Rule) -> Result<Vec<SeccompRule>> {
    let one = |condition| Ok(SeccompRule::new(vec![condition])?);
    match &rule.passes {
        Passes::Only(values) => {
            values.iter().map(|(_, value)| one(condition(rule, SeccompCmpOp::Eq, *value)?)).collect()
        }
        Passes::Without(_, bits) => {
            Ok(vec![one(condition(rule, SeccompCmpOp::MaskedEq(u64::from(*bits)), 0)?)?])
        }
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
