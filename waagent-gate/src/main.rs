//! # waagent-gate
//!
//! **Does**: opens connections to the WireServer, the HostGAPlugin and IMDS, and passes them to waagent-fetch: the host
//! firewall (WireServer, HostGAPlugin) and Azure's guest proxy (IMDS too) let only uid 0 open them, and the program that
//! parses what comes back must not be uid 0.
//!
//! **Reads**: its socket (descriptor 3, `/run/waagent/gate/gate.sock`: one byte per peer), `net/endpoint.json`,
//! `/etc/waagent.conf`.
//!
//! **Writes**: nothing.
//!
//! **Exit codes**: 0 the configuration was replaced, and it is started anew; 64 usage, 66 no socket was passed, 71 the kernel
//! refused something, 75 the configuration couldn't be used for a minute, 77 sandbox.
//!
//! **Security**: who owns this process is uid 0 without a capability and can connect to ports 80 and 32526, read
//! `net/`, and write nothing; he speaks to the platform as this machine does. The program itself reads no byte of the
//! network: it passes sockets on. It doesn't see what is asked by them: waagent-fetch's page says what that allows. PID 1's private
//! socket takes orders from uid 0: where SELinux isn't enforcing, he is root by that.
//!
//! **Where**: `socket` is what PID 1 passed, `server` the loop and who may connect, `connection` one peer and its request,
//! `address` where a target is.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;

use waagent_common::fault::Outcome;
use waagent_common::notify::notify;
use waagent_common::sys::fd::passed_socket;
use waagent_common::users::uid_of;
use waagent_common::{log, program};
use waagent_gate::address::Addresses;
use waagent_gate::args::Args;
use waagent_gate::policy::POLICY;
use waagent_gate::server::Server;
use waagent_gate::socket;

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let passed = passed_socket();
    let (sandbox, config) = program::enter_to_stay(&POLICY, &args.common)?;
    let root = args.common.root();
    let listener = socket::check(passed)?;
    let fetcher = uid_of(&root, "waagent-fetch");
    if fetcher.is_none() {
        log::warning("there is no user 'waagent-fetch'; sysusers.d/waagent.conf makes it, using root alone");
    }
    log::info("ready: connects to WireServer, HostGAPlugin and IMDS for waagent-fetch");
    notify("READY=1");
    let addresses = Addresses::new(root, config.allowed_endpoints());
    Ok(Server::new(listener, fetcher, addresses).serve(&sandbox)?)
}
