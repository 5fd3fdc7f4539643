//! What waagent-gate may do.

use waagent_declaration::{
    BASE, Connects, FIONBIO, Policy, Refusal, RunsAs, TCGETS, TCGETS2, grant, syscall,
};

/// Opens connections to three named targets, and nothing else.
pub const POLICY: Policy = Policy {
    program: "waagent-gate",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::Root,
    groups: &[grant("waagent", "address: net/endpoint.json belongs to waagent-net, group waagent")],
    selinux: "waagent_gate_t",
    capabilities: &[],
    families: &[
        grant("AF_INET", "connection: WireServer, HostGAPlugin and IMDS have IPv4 addresses alone"),
        grant("AF_UNIX", "server: the word to the service manager"),
    ],
    connects: Connects::Ports(&[
        (80, "connection: WireServer and IMDS"),
        (32526, "connection: HostGAPlugin"),
    ]),
    reads: &[grant("/var/lib/waagent/net", "address: endpoint.json, replaced by rename")],
    writes: &[],
    devices: &[],
    executes: &[],
    ioctls: &[FIONBIO, TCGETS, TCGETS2],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: None,
    arguments: &[],
    syscalls: &[
        BASE,
        syscall(&["fstat", "getdents64", "newfstatat", "openat", "statx"], "configuration, address: reads"),
        syscall(&["accept4", "recvfrom", "sendmsg"], "server: the peer, its byte, the answer"),
        syscall(&["connect", "getsockopt", "socket"], "connection: opens it; who the peer is"),
        syscall(&["sendto"], "server: the word to the service manager"),
    ],
};
