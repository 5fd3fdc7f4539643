//! What `waagent-ext-run` may do: everything, because what it runs must be able to.

use waagent_declaration::{Connects, Policy, Refusal, RunsAs, grant};

/// The declaration. It isn't entered: a handler inherits whatever its runner is confined by.
pub const POLICY: Policy = Policy {
    program: "waagent-ext-run",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::Root,
    groups: &[],
    selinux: "waagent_ext_run_t",
    capabilities: &[grant("all", "launch: extensions are promised an unconfined root")],
    families: &[grant("all", "launch: what handlers open")],
    connects: Connects::Anywhere("launch: what handlers connect to"),
    reads: &[grant("/", "launch: what handlers read")],
    writes: &[grant("/", "launch: what handlers write")],
    devices: &[],
    executes: &[grant("/bin/sh", "launch: hands the command line to it, as published handlers expect")],
    ioctls: &[],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: Some("launch: what handlers are"),
    arguments: &[],
    syscalls: &[],
};
