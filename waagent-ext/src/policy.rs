//! What `waagent-ext` may do.

use waagent_common::sandbox::{BASE, Connects, EVENTS, FILES, Policy, RunsAs, grant, syscall};

/// The declaration that the program enters.
pub const POLICY: Policy = Policy {
    program: "waagent-ext",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::Root,
    groups: &[grant("waagent", "inputs: the documents of the other programs")],
    selinux: "waagent_ext_t",
    capabilities: &[],
    families: &[grant(
        "AF_UNIX",
        "starter: asks PID 1 for the runner's unit; service: tells it that we live",
    )],
    connects: Connects::Nowhere,
    reads: &[
        grant("/etc/default/locale", "command: LANG of the system (Debian)"),
        grant("/etc/locale.conf", "command: LANG of the system"),
        grant("/etc/waagent_policy.json", "verdict: which extensions are allowed"),
        grant("/proc/sys/kernel/random/boot_id", "boot: is this the boot that the work was begun in?"),
        grant("/run/systemd", "starter: does systemd run here? its private socket"),
        grant("/run/waagent/chain", "boot: is this the run of the chain that the work was begun in?"),
        grant("/var/lib/waagent/certs", "inputs: which certificates are there"),
        grant("/var/lib/waagent/fetch", "inputs: goal state, packages"),
        grant("/var/lib/waagent/net", "command: address of the platform"),
        grant("/var/lib/waagent/provision", "inputs: is provisioning over?"),
    ],
    writes: &[
        grant("/run/waagent/ext", "its lock; exec_mount: a flag for PID 1"),
        grant(
            "/var/lib/waagent",
            "unpack, settings, certificates: handlers' folders and links have names of their own here; \
             the other programs' folders are closed by owner and mode",
        ),
        grant("/var/log/azure", "command log, events: the handlers' log folders"),
    ],
    devices: &[],
    executes: &[],
    ioctls: &[],
    syscalls: &[
        BASE,
        EVENTS,
        FILES,
        syscall(&["syncfs"], "unpack: all files of a package reach the disk at once"),
        syscall(
            &["socket", "connect", "sendto", "sendmsg", "recvfrom", "recvmsg", "getsockopt", "setsockopt"],
            "starter, service: a local socket of the service manager",
        ),
    ],
};
