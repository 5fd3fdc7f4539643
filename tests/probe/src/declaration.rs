//! What a declaration says is what is in force: each of its lines is tried, and each line's neighbour.
//!
//! System calls are made with arguments that the kernel refuses by itself: what passes the filter ends with the kernel's
//! own error, and nothing happens.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;

use waagent_common::sandbox::Sandbox;
use waagent_common::sys::confined_child::apart;
use waagent_common::sys::forbidden_calls;
use waagent_declaration::{Passes, Policy, Refusal, Rule, syscall_name, syscall_number};

use crate::grants;

/// A test of a declaration, by its name.
pub type Test = (&'static str, fn(&Policy));

/// All of them.
pub const TESTS: &[Test] = &[
    ("each_declared_call_passes_and_each_other_ends_the_program", calls),
    ("each_declared_argument_passes_and_its_neighbours_are_refused", arguments),
    ("what_no_program_needs_is_refused", never),
    ("each_capability_is_declared", capabilities),
    ("each_path_is_open_as_declared_and_its_neighbour_closed", grants::paths),
    ("what_all_share_is_open_and_what_only_tools_need_is_not", grants::shared),
    ("each_tool_is_executed_and_its_neighbour_not", grants::tools),
    ("each_device_is_open_as_declared_and_its_neighbour_closed", grants::devices),
    ("each_port_is_reached_and_its_neighbour_not", grants::ports),
];

/// Status of a call that returned without an error; all errors are below.
const RETURNED: u8 = 200;
/// Status of a program that the filter has ended.
const ENDED: u8 = 77;
/// Declared calls that don't come back, or come back twice.
const NO_RETURN: &[&str] = &["exit", "exit_group", "fork", "pause", "rt_sigreturn", "vfork"];
/// uretprobe and uprobe of x86-64: the kernel lets them through every filter, and a caller that isn't one gets SIGILL
/// (kernel/seccomp.c).
const UNFILTERED: &[i64] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };
/// Highest number that is tried: past the newest call of Linux 6.18.
const LAST_CALL: i64 = 480;
/// Call, argument, value: a user namespace, typing into a terminal, a packet socket, a pair that isn't local, code.
const NEVER: &[(&str, u8, u32)] = &[
    ("clone", 0, 0x1000_0800),
    ("ioctl", 1, 0x5412),
    ("socket", 0, 17),
    ("socketpair", 0, 2),
    ("mmap", 2, 7),
    ("mprotect", 2, 5),
];

fn calls(policy: &Policy) {
    let narrowed: BTreeSet<&str> = policy.rules().iter().map(|rule| rule.call).collect();
    let declared: BTreeSet<i64> = policy
        .syscalls
        .iter()
        .flat_map(|group| group.calls)
        .filter_map(|call| syscall_number(call))
        .collect();
    let mut wrong = Vec::new();
    for number in 0..LAST_CALL {
        let name = syscall_name(number).unwrap_or("?");
        if NO_RETURN.contains(&name) || narrowed.contains(name) || UNFILTERED.contains(&number) {
            continue;
        }
        let status = made(policy, number, &[]);
        if (status == ENDED) == declared.contains(&number) {
            wrong.push(format!("{name} ({number}): {status}"));
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", policy.program);
}

fn arguments(policy: &Policy) {
    let mut wrong = Vec::new();
    for rule in policy.rules() {
        let Some(number) = syscall_number(rule.call) else { continue };
        let others = others(policy, &rule);
        let status =
            |value: u32| made(policy, number, &[others.as_slice(), &[(rule.argument, value)]].concat());
        let refused = match rule.otherwise {
            Refusal::Ends => ENDED,
            Refusal::Errno(error) => u8::try_from(error).unwrap(),
        };
        let (good, bad) = tried(&rule);
        wrong.extend(
            good.into_iter()
                .filter(|value| matches!(status(*value), ENDED) || status(*value) == refused)
                .map(|value| format!("{} with {value:#x} is declared, and refused", rule.call)),
        );
        wrong.extend(bad.into_iter().filter(|value| status(*value) != refused).map(|value| {
            format!("{} with {value:#x} isn't declared: {}, not {refused}", rule.call, status(value))
        }));
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", policy.program);
}

/// What passes of the call's other arguments that have rules.
fn others(policy: &Policy, rule: &Rule) -> Vec<(u8, u32)> {
    let all = policy.rules();
    let others = all.iter().filter(|other| other.call == rule.call && other.argument != rule.argument);
    others.filter_map(|other| Some((other.argument, *tried(other).0.first()?))).collect()
}

/// Values that pass, and their neighbours, which don't.
fn tried(rule: &Rule) -> (Vec<u32>, BTreeSet<u32>) {
    match &rule.passes {
        Passes::Only(values) => {
            let good: Vec<u32> = values.iter().map(|(_, value)| *value).collect();
            // All families, the first of prctl(2), and one step to each side.
            let near = (0..48).chain([u32::MAX]);
            let next = good
                .iter()
                .flat_map(|value| [value.wrapping_sub(1), value + 1, value ^ 0x100, value ^ 0x8000_0000]);
            let bad = near.chain(next).filter(|value| !good.contains(value)).collect();
            (good, bad)
        }
        Passes::Without(_, bits) => {
            // CLONE_SIGHAND alone is no thread that clone(2) makes; 3 is PROT_READ and PROT_WRITE.
            let good: Vec<u32> = if rule.call == "clone" { vec![0x800] } else { vec![0, 1, 3] };
            let each = (0..32).map(|bit| 1 << bit).filter(|bit| bits & bit != 0);
            let bad = each.flat_map(|bit| good.iter().map(move |value| value | bit)).collect();
            (good, bad)
        }
    }
}

/// What the rules must say whatever a policy declares, so that a rule that got lost is missed.
fn never(policy: &Policy) {
    let rules = policy.rules();
    let has_rule = |call: &str| rules.iter().any(|rule| rule.call == call);
    for (call, argument, value) in NEVER {
        if !policy.declares(call) || (policy.maps_code.is_some() && ["mmap", "mprotect"].contains(call)) {
            continue;
        }
        let status = made(policy, syscall_number(call).unwrap(), &[(*argument, *value)]);
        // The filter's answers: the end, "no such request", "no such family".
        assert!([ENDED, 25, 97].contains(&status), "{}: {call} with {value:#x}: {status}", policy.program);
        assert!(has_rule(call), "{}: no rule for {call}", policy.program);
    }
}

fn capabilities(policy: &Policy) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let declared: BTreeSet<&str> = policy.capabilities.iter().map(|grant| grant.what).collect();
    let has = confined(policy, |sandbox, mut pipe| {
        pipe.write_all(sandbox.report().capabilities.join(" ").as_bytes()).unwrap();
    });
    assert_eq!(has.split_whitespace().collect::<BTreeSet<_>>(), declared, "{}", policy.program);
}

/// How a call ends inside the sandbox.
fn made(policy: &Policy, number: i64, some: &[(u8, u32)]) -> u8 {
    let child = |_pipe| {
        // What is said of stopped calls is expected here.
        let nothing = File::options().write(true).open("/dev/null").unwrap();
        nix::unistd::dup2_stderr(&nothing).unwrap();
        grants::enter(policy, grants::nowhere());
        match forbidden_calls::call(number, some) {
            0 => RETURNED,
            error => u8::try_from(error).unwrap(),
        }
    };
    told(child).0.unwrap_or_else(|| panic!("{} was killed by call {number}", policy.program))
}

/// What is said from inside the sandbox, below a folder where nothing is.
fn confined(policy: &Policy, work: impl FnOnce(&Sandbox, File)) -> String {
    let child = |pipe| {
        work(&grants::enter(policy, grants::nowhere()), pipe);
        0
    };
    let (status, said) = told(child);
    assert_eq!(status, Some(0), "{}: {said}", policy.program);
    said
}

/// Runs it in a child: how that ended, and what it said by its pipe.
pub fn told(work: impl FnOnce(File) -> u8) -> (Option<u8>, String) {
    let ended = apart(work).unwrap();
    (ended.status, String::from_utf8(ended.said).unwrap())
}
