//! What waagent-fetch may do.

use waagent_declaration::{
    BASE, Connects, EVENTS, FILES, FIONBIO, NETWORK, Policy, RESOLVER, Refusal, RunsAs, TCGETS, TCGETS2,
    THREADS, grant, ioctl, syscall,
};

/// No capability, no key in reach, one folder to write; the platform only by sockets that the gate opened.
pub const POLICY: Policy = Policy {
    program: "waagent-fetch",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::User("waagent-fetch"),
    groups: &[grant("waagent", "session: the way to /var/lib/waagent and its documents")],
    selinux: "waagent_fetch_t",
    capabilities: &[],
    families: &[
        grant("AF_INET", "storage: packages, profile and status over TCP; name servers"),
        grant("AF_INET6", "storage: the same"),
        grant("AF_UNIX", "gate: the way to its sockets; resident: the word to the service manager"),
    ],
    connects: Connects::Anywhere(
        "storage and proxies may be on any port; the firewall keeps the platform's for uid 0",
    ),
    reads: &[
        grant("/etc/crypto-policies", "storage: the system's rules for TLS, Fedora and Azure Linux"),
        grant("/etc/gai.conf", "storage: order of a host's addresses"),
        grant("/etc/host.conf", "storage: host names"),
        grant("/etc/hosts", "storage: host names"),
        grant("/etc/ld.so.cache", "storage: where the resolver's modules are"),
        grant("/etc/nsswitch.conf", "storage: host names"),
        grant("/etc/os-release", "status: name and version of the system"),
        grant("/etc/pki", "storage: certificate authorities, Fedora and Azure Linux"),
        grant("/etc/resolv.conf", "storage: name servers"),
        grant("/etc/ssl", "storage: certificate authorities and libcrypto's configuration, Debian"),
        grant("/lib64", "storage: the resolver's modules, libcrypto's providers"),
        grant("/proc/sys/crypto/fips_enabled", "storage: which ciphers TLS may use"),
        grant("/proc/sys/kernel/hostname", "status: name of the computer"),
        grant("/run/systemd/resolve", "storage: name servers, where systemd-resolved runs"),
        grant("/usr/lib", "storage: the resolver's modules, libcrypto's providers; status: os-release"),
        grant("/usr/lib64", "storage: the same"),
        grant("/usr/share/ca-certificates", "storage: certificate authorities, Debian"),
        grant("/usr/share/crypto-policies", "storage: where /etc/crypto-policies points to"),
        grant("/usr/share/pki", "storage: certificate authorities, Fedora and Azure Linux"),
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
    ioctls: &[
        FIONBIO,
        ioctl("FIONREAD", 0x541b, "storage: the resolver asks how long a name server's answer is"),
        TCGETS,
        TCGETS2,
    ],
    other_ioctls: Refusal::Ends,
    // The resolver asks netlink how to sort addresses, and copes with "not supported".
    other_families: Refusal::NO_SUCH_FAMILY,
    maps_code: Some("storage: the resolver's modules, libraries of a provider, which libcrypto loads"),
    arguments: &[],
    syscalls: &[
        BASE,
        EVENTS,
        FILES,
        NETWORK,
        RESOLVER,
        THREADS,
        syscall(&["sysinfo"], "storage: libcrypto and the allocator ask how much memory there is"),
    ],
};
