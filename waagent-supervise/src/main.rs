//! waagent-supervise: plays PID 1 for the agent on machines without systemd, and in the demo.
//!
//! **Does**: makes accounts and folders, starts each program in the order of a boot with its unit's rights, mounts and
//! swaps on where the disk program asks, starts programs again when what they wait for changes.
//!
//! **Reads**: the two tables of accounts and folders; flags below `/run/waagent`.
//!
//! **Writes**: `/run/waagent` (sockets, `chain`, `costs.json`), and what a flag asks of PID 1.
//!
//! **Exit codes**: 0 told to stop; 64 usage; 69 to 78 as all programs.
//!
//! **Security**: it is root with all capabilities, as PID 1 is, and starts nothing but the agent's own programs.
//!
//! **Where**: `chain` is the boot and what follows it; `programs` their units, `restarts` and `triggers` what those say of
//! starting again; `accounts`, `folders`, `mounts`, `sockets`, `flags` what PID 1 does beside; `children` are its processes.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::{log, program};
use waagent_supervise::{args::Args, chain, sockets};

fn main() -> ExitCode {
    log::start("waagent-supervise", "Daemon Daemon");
    program::report(run())
}

fn run() -> Result<Outcome> {
    // Before clap: what follows the program's name is the program's, whatever it looks like.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|first| first == "--exec-with-socket") {
        let program = words.next().unwrap_or_default();
        return Err(sockets::exec_with_socket(program.as_ref(), words).into());
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    if !nix::unistd::geteuid().is_root() {
        return Err(Fault::new(Exit::NotPermitted, "cannot start: needs root, since it plays PID 1").into());
    }
    chain::run(&args)
}
