//! The SELinux module: compiled, linked with the guest's policy, and held against what each program declares, both ways.
//! No guest is started. Needs root, for a view of the guest's file system with its own policy tools, and the guest's
//! base in `VM_BASE=` (`tests/vm/make-base` makes it). `RULES=`: a file to leave the domains' rules in.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

mod borders;
mod declaration;
mod facts;
mod found;
mod labels;
mod linked;
mod types;
mod view;

use std::sync::LazyLock;

use linked::Linked;

/// Programs with a domain of their own, but for the runner.
const DOMAINS: [&str; 9] = [
    "waagent_certs_t",
    "waagent_gate_t",
    "waagent_disk_t",
    "waagent_ext_t",
    "waagent_fetch_t",
    "waagent_media_t",
    "waagent_net_t",
    "waagent_provision_t",
    "waagent_transfer_t",
];
const RUNNER: &str = "waagent_ext_run_t";
/// Where the runner's commands go while the boolean says so.
const CONFINED: &str = "waagent_ext_confined_t";

/// The module as the guest would have it, made once; none where it can't be made here, which is said.
fn linked() -> Option<&'static Linked> {
    static LINKED: LazyLock<Result<Linked, String>> = LazyLock::new(Linked::new);
    match &*LINKED {
        Ok(linked) => Some(linked),
        Err(why) => {
            waagent_untested::not_tested(why);
            None
        }
    }
}
