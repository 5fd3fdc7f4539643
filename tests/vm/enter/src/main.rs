//! `waagent-enter PROGRAM COMMAND [ARGUMENT]...`: confines itself as that program does (capabilities, Landlock, seccomp),
//! and executes the command. What the command is refused, a program that was taken over would be refused.
//!
//! Two things are more than the program's: the command itself may be executed, and calls without which no executable
//! starts or ends. The SELinux domain is whatever it was started in: the guest tries that layer by itself.
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use waagent_common::args::Common;
use waagent_common::sandbox::Confine;
use waagent_declaration::{Grant, Policy, Syscalls, grant, syscall};

/// For the command: it starts, does each of its acts in a process of its own, and says what came of it.
const START: Syscalls = syscall(
    &[
        "alarm",
        "arch_prctl",
        "brk",
        "clone",
        "close",
        "dup2",
        "execve",
        "exit_group",
        "fork",
        "fstat",
        "getpid",
        "getrandom",
        "lseek",
        "mmap",
        "mprotect",
        "munmap",
        "newfstatat",
        "open",
        "openat",
        "prlimit64",
        "read",
        "readlink",
        "readlinkat",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "set_robust_list",
        "set_tid_address",
        "unlink",
        "wait4",
        "write",
    ],
    "the command's own",
);

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: waagent-enter PROGRAM COMMAND [ARGUMENT]...";
    let (program, command) = (words.next().context(usage)?, words.next().context(usage)?);
    let policy = policy(&program)?;
    let context = std::fs::read_to_string("/proc/self/attr/current").unwrap_or_default();
    let executes: Vec<Grant> =
        policy.executes.iter().copied().chain([grant(leak(&command), "the command")]).collect();
    let syscalls: Vec<Syscalls> = policy.syscalls.iter().copied().chain([START]).collect();
    let policy = Policy {
        selinux: leak(context.split(':').nth(2).unwrap_or_default()),
        executes: Vec::leak(executes),
        syscalls: Vec::leak(syscalls),
        ..policy
    };
    let args = Common { policy: false, configuration_path: None, root: PathBuf::from("/") };
    policy.enter(&args)?.satisfies(true)?;
    Err(Command::new(&command).args(words).exec()).with_context(|| format!("cannot execute '{command}'"))
}

fn policy(program: &str) -> Result<Policy> {
    Ok(match program {
        "waagent-certs" => waagent_certs::policy::POLICY,
        "waagent-gate" => waagent_gate::policy::POLICY,
        "waagent-disk" => waagent_disk::policy::POLICY,
        "waagent-ext" => waagent_ext::policy::POLICY,
        "waagent-fetch" => waagent_fetch::policy::POLICY,
        "waagent-transfer" => waagent_transfer::policy::POLICY,
        "waagent-media" => waagent_media::policy::POLICY,
        "waagent-net" => waagent_net::policy::POLICY,
        "waagent-provision" => waagent_provision::policy::POLICY,
        other => bail!("there is no confined program '{other}'"),
    })
}

/// A policy is made of words that live as long as the program: so do these.
fn leak(word: &str) -> &'static str {
    String::leak(word.to_owned())
}
