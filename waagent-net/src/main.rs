//! waagent-net: the way to the platform.
//!
//! **Does**: finds the platform's WireServer, and sets a firewall by which uid 0 alone can open connections to it. DNS
//! stays open, answers to the platform's probes pass, and no other rule of the machine is touched.
//!
//! **Reads**: lease files of DHCP clients, `/proc/self/net/route`, the kernel's links and tables (netlink),
//! `/etc/waagent.conf`.
//!
//! **Writes**: `net/endpoint.json`, `net/firewall.json`, `net/WireServerEndpoint`, `net/Protocol`, and the
//! kernel's table `ip walinuxagent`.
//!
//! **Exit codes**: 0 done, unchanged or planned; 64 usage; 69 the kernel has no nf_tables; 71 the kernel refused;
//! 73, 74 a document can't be written; 75 another run is at work; 77 sandbox, or no `CAP_NET_ADMIN`.
//!
//! **Security**: who owns this process can change routes and firewall rules of the machine, and name any allowed
//! address as WireServer. It has no TCP, no files but its own folder, and can't execute anything.
//!
//! **Where**: `run` does a run's steps, `preview` says what they would do. `endpoint` chooses the WireServer's address: by
//! configuration, by `leases/` (what DHCP clients were told; `links` names their interfaces), else the well-known one;
//! `route` decides between leases and sees a host route, it changes none. `firewall/` makes the table and reads it back, by
//! `netlink/`; `compat_files` are those that other tools look for.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;

use waagent_common::fault::Outcome;
use waagent_common::lock::Lock;
use waagent_common::program;
use waagent_net::args::{Args, Step};
use waagent_net::policy::POLICY;
use waagent_net::{preview, run};

fn main() -> ExitCode {
    program::main(&POLICY, steps)
}

fn steps(args: &Args) -> Result<Outcome> {
    let (sandbox, config) = program::enter(&POLICY, &args.common)?;
    let root = args.common.root();
    if args.plan {
        return preview::print(&root, &config, args.step);
    }
    let _held = Lock::take(&root, "net")?;
    let run = run::Run { root: &root, config: &config, sandbox: &sandbox };
    match args.step {
        Some(Step::Firewall) => run.firewall(),
        None => run.network(),
    }
}
