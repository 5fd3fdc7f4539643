//! waagent-ext: plans what becomes of extensions.
//!
//! **Does**: decides what each extension of the goal state needs next, unpacks packages, writes what handlers expect to
//! find, and gathers their status. It never runs anything of a handler: waagent-ext-run does, one command at a time.
//!
//! **Reads**: `fetch/goal-state.json`, `fetch/packages/`, `certs/certificates.json`, `provision/status.json`,
//! `net/endpoint.json`, `ext/results/`, `/etc/waagent_policy.json`, the roots of publishers in `/usr/share/waagent`;
//! status and heartbeat files of handlers.
//!
//! **Writes**: `ext/wanted.json`, `ext/plan.json`, `ext/state.json`, `ext/begun.json`, `ext/commands/`, `ext/status.json`,
//! `ext/initial_goal_state`;
//! handlers' folders `<name>-<version>/`, links to certificates; `/var/log/azure/<name>/`;
//! `/run/waagent/ext/exec-mount`, the wish for a mount. Removes: the oldest of what handlers leave in `events/`.
//!
//! **Exit codes**: 0 done, unchanged, or ended by SIGTERM; 64 arguments; 65 the goal state is damaged; 73, 74 a document
//! can't be written; 75 another run is at work, a file was replaced under `--once`, a mount was asked for, or the
//! configuration couldn't be used for a minute; 77 the sandbox can't be entered; 78 configuration, with `--once`.
//!
//! **Security**: root without any capability, so it writes root's files and reads documents of its group, and nothing else.
//! It parses strict documents, but also foreign bytes: packages (zip), their signatures (CMS), handlers' manifests and status
//! files. Whoever owns this process can have commands of installed handlers run, and could place files into handlers'
//! folders that the runner then executes: it is as good as root by that way alone. It can't open a network socket,
//! execute anything, or read a private key. Other programs' documents it can't write: the unit shows them read-only, which
//! is the one layer that holds for folders of root (provision, disk), and SELinux; modes hold for the others.
//!
//! **Where**: `resident` and `once` run the `engine/`: it begins a goal state, takes one step after the other as `plan/`
//! orders them, and concludes what commands came to. `admission` (with `extension_policy`) says who may run, `package/`
//! verifies and unpacks, `handler/` is the folder of a handler and the files in it, `status/` gathers and writes what is
//! told. `starter` has a command started; `crash_guard` keeps one extension from stopping the
//! others; `report_pace` is how often the report is written, `extension_events` bounds the telemetry that handlers leave,
//! `exec_mount` asks for the mount where /var is noexec.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use waagent_common::fault::Outcome;
use waagent_common::lock::Lock;
use waagent_common::program;
use waagent_ext::args::Args;
use waagent_ext::engine::Engine;
use waagent_ext::policy::POLICY;
use waagent_ext::{exec_mount, once, resident};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let enter = if args.once { program::enter } else { program::enter_to_stay };
    let (sandbox, config) = enter(&POLICY, &args.common)?;
    let root = args.common.root();
    let _lock = Lock::take(&root, "ext")?;
    exec_mount::ask(&root, &config)?;
    waagent_common::resident::begin()?;
    let engine = Engine::new(&root, &config, &sandbox, args.force)?;
    if args.once { once::work(engine, &sandbox) } else { resident::serve(engine, &root, &sandbox) }
}
