//! waagent-transfer: the agent's way to storage.
//!
//! **Does**: takes orders of waagent-fetch, one for each connection, and carries them out: asks storage by TLS, through a
//! proxy where there is one, and gives the answer back while it arrives. Started by its socket, four orders at a time; ends
//! after ten seconds without one, two and a half minutes after it has stored something: statuses that go directly don't
//! start it each minute.
//!
//! **Reads**: its socket (descriptor 3, `/run/waagent/transfer/transfer.sock`), the resolver's files, certificate
//! authorities, `/etc/waagent.conf` (`HttpProxy.*`, `OS.AllowHTTP`, `Protocol.AllowedEndpoints`), `http_proxy`,
//! `https_proxy` and `no_proxy` of its environment.
//!
//! **Writes**: nothing.
//!
//! **Exit codes**: 0 nothing to do for a while, or its files were replaced; 64 usage; 66 no socket was passed; 71 the kernel
//! refused something; 75 a host or an authority wasn't found and its next start may find it, or the configuration couldn't
//! be used for a minute; 77 sandbox.
//!
//! **Security**: who owns this process can talk to anybody outside, give waagent-fetch false bytes for what it asked, hold
//! them back, and use the signature of each URI that he is given meanwhile: the status blob, where it goes this way, is
//! his to write. A package that its publisher signed he can't replace, for waagent-ext refuses what isn't what was signed
//! (`Extensions.BadSignature`); where the goal state names no signature and none is demanded, he is root by a forged
//! one. He can't open the platform's ports, which the firewall closes to his user (the metadata service's the unit alone);
//! ask the gate; read a certificate, a document or a key; write a file; open a local socket; execute a program.
//!
//! **Where**: `server` says who may order and when it ends, `carry` one order, `storage` the
//! connections that are kept, `connect`, `tls`, `names` and `proxy` the way there.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;

use waagent_common::fault::Outcome;
use waagent_common::sys::fd::passed_socket;
use waagent_common::sys::heap;
use waagent_common::users::uid_of;
use waagent_common::{listener, log, program};
use waagent_transfer::args::Args;
use waagent_transfer::policy::POLICY;
use waagent_transfer::server::Server;
use waagent_transfer::settings::Settings;

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let passed = passed_socket();
    heap::one_arena();
    let (sandbox, config) = program::enter_to_stay(&POLICY, &args.common)?;
    let root = args.common.root();
    let listener = listener::check(passed, "waagent-transfer.socket")?;
    let fetcher = uid_of(&root, "waagent-fetch");
    if fetcher.is_none() {
        log::warning("there is no user 'waagent-fetch'; sysusers.d/waagent.conf makes it, using root alone");
    }
    Ok(Server::new(listener, fetcher, Settings::of(&config))?.serve(&sandbox)?)
}
