//! waagent-fetch: the side of the agent that speaks with the platform.
//!
//! **Does**: speaks HTTP with the Azure platform by waagent-gate, and has waagent-transfer ask storage: goal state,
//! certificates and packages in; health, status and the host key's fingerprint out. Resident: it asks every few seconds and
//! writes a document only when something changed.
//!
//! **Reads**: `net/endpoint.json`, `certs/transport.json`, `certs/certificates.json`, `provision/status.json`,
//! `ext/wanted.json`, `ext/status.json`, its own folder.
//!
//! **Writes**: `fetch/certificates.json`, `fetch/goal-state.json`,
//! `fetch/packages/`, `fetch/health.json`, `fetch/status.json`, `fetch/waagent_status.json`, `fetch/SharedConfig.xml`,
//! `fetch/endpoint-problem.json`, `fetch/transport-problem.json`, `fetch/cursor.json`,
//! `fetch/private/goal-state-uris.json`, `fetch/failed/`.
//!
//! **Exit codes**: 0 done or nothing to do; 64 usage; 73, 74 its folder; 75 the platform doesn't answer, another run
//! holds the lock, or the configuration couldn't be used for a minute; 76 the platform's answer makes no sense; 77 sandbox;
//! 78 configuration, with `--once`.
//!
//! **Security**: who owns this process has no capability, no key and no network: it opens local sockets alone. It can write
//! `fetch/`, ask the platform what the table of waagent-gate names, order requests of storage at any host but the platform,
//! read the public documents and the sealed settings, and tell the other programs lies in strict JSON, which they check. It
//! can't read a key that lies on this machine, have one sealed for itself (waagent-gate lets no certificate pass but the
//! machine's own), execute a program, or open a connection of the network itself. But where no signature is demanded of
//! packages, which is the default, it is root by a forged one.
//!
//! **Where**: `session` polls the platform: `fetcher/` the goal state (parsed in `goal_state/`), Fast Track and
//! certificates, `health` what the platform is told of provisioning, `status/` the status blob. `packages/` downloads, by
//! `storage`, whose requests are `order`s, or the host's `plugin`. `wire_server`, `http/`, `retry` are the ways there;
//! `resident` and `once` say what is due, `wakeup` what it waits for.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;

use waagent_common::fault::Outcome;
use waagent_common::lock::Lock;
use waagent_common::program;
use waagent_common::sandbox::Confine;
use waagent_common::sys::heap;
use waagent_fetch::args::{Act, Args};
use waagent_fetch::policy::POLICY;
use waagent_fetch::session::Session;
use waagent_fetch::transfer_settings::Settings;
use waagent_fetch::{failure_note, once, resident};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    heap::one_arena();
    let root = args.common.root();
    if let Some(Act::Failed { unit }) = &args.act {
        return Ok(failure_note::note(&root, &POLICY.enter(&args.common)?, unit)?);
    }
    let enter = if args.once { program::enter } else { program::enter_to_stay };
    let (sandbox, config) = enter(&POLICY, &args.common)?;
    let _lock = Lock::take(&root, "fetch")?;
    let settings = Settings::of(&config);
    let session = Session::new(&root, config, sandbox, settings)?;
    if args.once { once::run(session) } else { resident::run(session) }
}
