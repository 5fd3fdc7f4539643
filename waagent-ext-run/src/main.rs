//! waagent-ext-run: the runner.
//!
//! **Does**: runs ONE command of a handler, as its document says, and leaves the result. Never runs the same id twice.
//! Also the deployment's custom data (`--custom-data`), and the result of a run that was killed (`--ended ID`).
//!
//! **Reads**: `ext/commands/<id>.json`; `/run/waagent/provision/customdata`, `CustomData`.
//!
//! **Writes**: `ext/results/<id>.result.json`, `<id>.out`, `<id>.err`; `/var/log/azure/customdata.log`.
//!
//! **Exit codes**: 0 the command ended, in whatever way (its result document tells), or had been run before; 64 arguments;
//! 65 the command document is damaged or asks for what it may not; 66 there is none; 73 the result can't be written;
//! 77 the SELinux domain is not this program's.
//!
//! **Security**: unconfined, uid 0 with all capabilities, since extensions must be. Whoever owns this process owns the
//! machine. It parses one strict document that only root can write, and nothing of the network or of a handler.
//!
//! **Where**: `command_document` is what is asked, `handler` and `custom_data` prepare it, `launch` runs it within its time limit,
//! `process` cleans what the command inherits, `result` what is left; `interrupted` writes the result for a runner that was
//! killed.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use waagent_common::fault::Outcome;
use waagent_common::program;
use waagent_common::sandbox::{Confine, Sandbox};
use waagent_ext_run::args::{Args, Job};
use waagent_ext_run::policy::POLICY;
use waagent_ext_run::{custom_data, handler, interrupted, process};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> anyhow::Result<Outcome> {
    POLICY.check_domain()?;
    process::clean()?;
    let sandbox = Sandbox::unconfined();
    let root = args.common.root();
    match args.job()? {
        Job::Command(id) => handler::run(&root, &id, &sandbox),
        Job::Ended(id) => interrupted::conclude(&root, &id, &sandbox),
        Job::CustomData => custom_data::run(&root, &sandbox),
    }
}
