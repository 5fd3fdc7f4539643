//! What waagent-fetch may do.

use waagent_declaration::{
    BASE, Connects, EVENTS, FILES, FIONBIO, Policy, Refusal, RunsAs, TCGETS, TCGETS2, THREADS, grant, syscall,
};

/// No capability, no key in reach, no network, one folder to write; the platform by the gate, storage by waagent-transfer.
pub const POLICY: Policy = Policy {
    program: "waagent-fetch",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::User("waagent-fetch"),
    groups: &[grant("waagent", "session: the way to /var/lib/waagent and its documents")],
    selinux: "waagent_fetch_t",
    capabilities: &[],
    families: &[grant(
        "AF_UNIX",
        "http, order: the way to the gate and to waagent-transfer; resident: the word to the service manager",
    )],
    connects: Connects::Nowhere,
    reads: &[
        grant("/etc/os-release", "status: name and version of the system"),
        grant("/proc/sys/kernel/hostname", "status: name of the computer"),
        grant("/usr/lib/os-release", "status: name and version of the system, the vendor's"),
        grant(
            "/var/lib/waagent/certs",
            "certificates: transport.json and certificates.json; the keys are 0400",
        ),
        grant("/var/lib/waagent/ext", "packages, status: wanted.json, status.json"),
        grant("/var/lib/waagent/net", "endpoint: endpoint.json"),
        grant("/var/lib/waagent/provision", "health: status.json"),
    ],
    writes: &[
        grant("/run/waagent/fetch", "the lock against a second run, the process number"),
        grant("/var/lib/waagent/fetch", "publish: its own folder"),
    ],
    devices: &[],
    executes: &[],
    ioctls: &[FIONBIO, TCGETS, TCGETS2],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: None,
    arguments: &[],
    syscalls: &[
        BASE,
        EVENTS,
        FILES,
        THREADS,
        syscall(
            &["connect", "recvfrom", "sendto", "setsockopt", "socket"],
            "http, order: requests and answers over local sockets; resident: the word to the service manager",
        ),
    ],
};
