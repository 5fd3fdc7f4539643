//! What waagent-gate may do.

use waagent_declaration::{
    Argument, BASE, Connects, Policy, Refusal, RunsAs, TCGETS, TCGETS2, grant, syscall,
};

/// Opens connections to two named targets, and nothing else.
pub const POLICY: Policy = Policy {
    program: "waagent-gate",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::Root,
    groups: &[grant("waagent", "documents: their folders' group")],
    selinux: "waagent_gate_t",
    capabilities: &[],
    // No AF_UNIX: the listener is inherited, and the word to the service manager is said by a socket that was made before.
    families: &[grant("AF_INET", "connection: WireServer and HostGAPlugin have IPv4 addresses alone")],
    connects: Connects::Ports(&[(80, "connection: WireServer"), (32526, "connection: HostGAPlugin")]),
    reads: &[
        grant(
            "/var/lib/waagent/certs",
            "documents: transport.json, replaced by rename; the keys there are 0400 of another user",
        ),
        grant("/var/lib/waagent/net", "documents: endpoint.json, replaced by rename"),
    ],
    writes: &[],
    devices: &[],
    executes: &[],
    ioctls: &[TCGETS, TCGETS2],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: None,
    arguments: &[
        Argument {
            what: "socket",
            argument: 1,
            values: &[
                ("SOCK_STREAM", 1),
                ("SOCK_STREAM | SOCK_CLOEXEC", 0x8_0001),
                ("SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK", 0x8_0801),
            ],
            why: "connection: streams alone; datagrams go where Landlock doesn't look",
        },
        Argument {
            what: "socket",
            argument: 2,
            values: &[("0", 0), ("IPPROTO_TCP", 6)],
            why: "connection: TCP; Landlock doesn't know Multipath TCP",
        },
        Argument {
            what: "sendto",
            argument: 3,
            values: &[("MSG_NOSIGNAL", 0x4000), ("MSG_DONTWAIT | MSG_NOSIGNAL", 0x4040)],
            why: "pipe, connection: a request and an answer; MSG_FASTOPEN would connect past Landlock",
        },
    ],
    syscalls: &[
        BASE,
        syscall(&["fstat", "getdents64", "newfstatat", "openat", "statx"], "configuration, documents: reads"),
        syscall(&["accept4"], "server: the peer"),
        syscall(&["recvfrom", "sendto"], "connection: request and answer; the word to the service manager"),
        syscall(&["connect", "getsockopt", "setsockopt", "socket"], "connection: opens it; who the peer is"),
        syscall(&["shutdown"], "exchange: the end of an answer"),
    ],
};
