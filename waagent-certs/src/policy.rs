//! All that waagent-certs may do.

use waagent_declaration::{BASE, Connects, FILES, Policy, Refusal, RunsAs, TCGETS, TCGETS2, grant, syscall};

/// No capability, no socket, nothing to execute; one folder to write.
pub const POLICY: Policy = Policy {
    program: "waagent-certs",
    log_thread: "ExtHandler ExtHandler",
    runs_as: RunsAs::User("waagent-certs"),
    groups: &[grant("waagent", "unseal: the way to /var/lib/waagent and its documents")],
    selinux: "waagent_certs_t",
    capabilities: &[],
    families: &[],
    connects: Connects::Nowhere,
    reads: &[
        grant("/etc/crypto-policies", "unseal: the system's rules for libcrypto, Fedora and Azure Linux"),
        grant("/etc/ld.so.cache", "unseal: where the libraries of a provider are"),
        grant("/etc/machine-id", "transport: a pair is for one machine"),
        grant("/etc/pki/tls/openssl.cnf", "unseal: libcrypto's configuration, Fedora and Azure Linux"),
        grant("/etc/pki/tls/openssl.d", "unseal: the same, drop-ins"),
        grant("/etc/ssl/openssl.cnf", "unseal: libcrypto's configuration, Debian"),
        grant("/lib64", "unseal: libraries of a provider such as SymCrypt"),
        grant("/proc/sys/crypto/fips_enabled", "unseal: whether 3DES may be used"),
        grant("/sys/class/dmi/id/product_uuid", "transport: a pair is for one VM"),
        grant("/usr/lib", "unseal: libcrypto's providers and their libraries"),
        grant("/usr/lib64", "unseal: the same"),
        grant("/usr/share/crypto-policies", "unseal: where /etc/crypto-policies points to"),
        grant(
            "/var/lib/waagent/fetch",
            "unseal: certificates.json, what the platform sealed for this machine",
        ),
    ],
    writes: &[
        grant("/run/waagent/certs", "the lock against a second run, failures of this boot"),
        grant("/var/lib/waagent/certs", "transport, install: its own folder, keys and documents"),
    ],
    devices: &[],
    executes: &[],
    ioctls: &[TCGETS, TCGETS2],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: Some("unseal: libraries of a provider, which libcrypto loads"),
    arguments: &[],
    syscalls: &[
        BASE,
        FILES,
        syscall(&["fgetxattr", "fsetxattr"], "transport, install: the SELinux type of a private key"),
        syscall(
            &["sysinfo"],
            "transport, unseal: libcrypto sorts, and qsort(3) of glibc asks for the size of memory",
        ),
    ],
};
