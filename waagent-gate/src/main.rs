//! # waagent-gate
//!
//! **Does**: takes one HTTP request at a time from waagent-fetch, reads its head, looks it up in a table of what may be
//! asked of the platform, sends what passes to the WireServer or the HostGAPlugin, and copies the answer back without a
//! look. The host firewall and Azure's guest proxy let only uid 0 open connections to the platform, and the program that
//! parses what comes back must not be uid 0; nor may it ask what it likes, for the platform seals the machine's keys for
//! whatever certificate a request carries.
//!
//! **Reads**: its socket (descriptor 3, `/run/waagent/gate/gate.sock`), `net/endpoint.json`, `certs/transport.json`,
//! `/etc/waagent.conf`.
//!
//! **Writes**: nothing.
//!
//! **Exit codes**: 0 the configuration was replaced, and it is started anew; 64 usage, 66 no socket was passed, 71 the kernel
//! refused something, 75 the configuration couldn't be used for a minute, 77 sandbox.
//!
//! **Security**: who owns this process is uid 0 without a capability and can connect to ports 80 and 32526, read `net/` and
//! the public part of `certs/`, and write nothing; he speaks to the platform as this machine does, with any certificate,
//! and so gets the machine's keys. What he has to work with is the fetcher's request, of which the head is parsed (16 KiB,
//! a strict grammar) and the rest copied; no byte of the network is looked at. He can make no local socket: PID 1's
//! private one, which takes orders from uid 0, is out of reach also where SELinux isn't enforcing. He can't read a key
//! (mode 0400 of waagent-certs, and a type of its own).
//!
//! **Where**: `server` is the loop and who may ask, `queue` who waits, `connection` and `peer`
//! one of them, `exchange` and `pipe` its bytes, `office` what all share; `head` the grammar, `table` and `values` what may be
//! asked, `path` odd spellings, `request` the judgement; `documents` where the targets are, and which certificate is ours.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;

use waagent_common::fault::Outcome;
use waagent_common::notify::Manager;
use waagent_common::sys::fd::passed_socket;
use waagent_common::users::uid_of;
use waagent_common::{listener, log, program};
use waagent_gate::args::Args;
use waagent_gate::documents::Documents;
use waagent_gate::policy::POLICY;
use waagent_gate::server::Server;

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let passed = passed_socket();
    // Inside the sandbox no local socket is made any more.
    let manager = Manager::reach();
    let (sandbox, config) = program::enter_to_stay(&POLICY, &args.common)?;
    let root = args.common.root();
    let listener = listener::check(passed, "waagent-gate.socket")?;
    let fetcher = uid_of(&root, "waagent-fetch");
    if fetcher.is_none() {
        log::warning("there is no user 'waagent-fetch'; sysusers.d/waagent.conf makes it, using root alone");
    }
    log::info("ready: takes requests of waagent-fetch for WireServer and HostGAPlugin");
    if let Some(manager) = manager {
        manager.tell("READY=1");
    }
    let documents = Documents::new(root, config.allowed_endpoints());
    Ok(Server::new(listener, fetcher, documents).serve(&sandbox)?)
}
