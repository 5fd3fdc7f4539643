//! What `waagent-ext` may do.

use waagent_declaration::{
    BASE, Connects, EVENTS, FILES, Policy, Refusal, RunsAs, TCGETS, TCGETS2, grant, syscall,
};

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
        grant("/etc/crypto-policies", "signature: the system's rules for libcrypto, Fedora and Azure Linux"),
        grant("/etc/default/locale", "command: LANG of the system (Debian)"),
        grant("/etc/ld.so.cache", "signature: where the libraries of a provider are"),
        grant("/etc/locale.conf", "command: LANG of the system"),
        grant("/etc/pki/tls/openssl.cnf", "signature: libcrypto's configuration, Fedora and Azure Linux"),
        grant("/etc/pki/tls/openssl.d", "signature: the same, drop-ins"),
        grant("/etc/ssl/openssl.cnf", "signature: libcrypto's configuration, Debian"),
        grant("/etc/waagent_policy.json", "admission: which extensions are allowed"),
        grant("/lib64", "signature: libraries of a provider such as SymCrypt"),
        grant("/proc/sys/crypto/fips_enabled", "signature: whether libcrypto must use its FIPS provider"),
        grant("/proc/sys/kernel/random/boot_id", "boot: is this the boot that the work was begun in?"),
        grant("/run/systemd", "starter: does systemd run here? its private socket"),
        grant("/run/waagent/chain", "boot: is this the run of the chain that the work was begun in?"),
        grant("/usr/lib", "signature: libcrypto's providers and their libraries"),
        grant("/usr/lib64", "signature: the same"),
        grant("/usr/share/crypto-policies", "signature: where /etc/crypto-policies points to"),
        grant("/usr/share/waagent", "signature: the roots that packages' signers are trusted by"),
        grant("/var/lib/waagent/certs", "inputs: which certificates are there"),
        grant("/var/lib/waagent/fetch", "inputs: goal state, packages"),
        grant("/var/lib/waagent/fetch/packages", "unpack: packages and what is said of them"),
        grant("/var/lib/waagent/net", "command: address of the platform"),
        grant("/var/lib/waagent/provision", "inputs: is provisioning over?"),
    ],
    writes: &[
        grant("/run/waagent/ext", "its lock; exec_mount: a flag for PID 1"),
        grant(
            "/var/lib/waagent",
            "unpack, settings, certificates, events: handlers' folders and links have names of their own here; \
             to the other programs' folders, some of them root's, the unit's ReadOnlyPaths= and SELinux close it",
        ),
        grant("/var/lib/waagent/ext", "plan, commands, results, status: its own folder"),
        grant(
            "/var/log/azure",
            "command log; events: the handlers' log folders, the oldest events are removed",
        ),
    ],
    devices: &[],
    executes: &[],
    ioctls: &[TCGETS, TCGETS2],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: Some("signature: libraries of a provider, which libcrypto loads"),
    arguments: &[],
    syscalls: &[
        BASE,
        EVENTS,
        FILES,
        syscall(
            &["sysinfo"],
            "signature: libcrypto sorts, and qsort(3) of glibc asks for the size of memory",
        ),
        syscall(&["syncfs"], "unpack: all files of a package reach the disk at once"),
        syscall(
            &["socket", "connect", "sendto", "sendmsg", "recvfrom", "recvmsg", "getsockopt", "setsockopt"],
            "starter, service: a local socket of the service manager",
        ),
    ],
};
