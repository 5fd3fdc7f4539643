//! What waagent-net may do.

use waagent_declaration::{BASE, Connects, FILES, Policy, Refusal, RunsAs, TCGETS, TCGETS2, grant, syscall};

/// Asks the kernel about links, sets one table of nf_tables, reads leases, writes its own folder.
pub const POLICY: Policy = Policy {
    program: "waagent-net",
    log_thread: "EnvHandler ExtHandler",
    runs_as: RunsAs::User("waagent-net"),
    groups: &[grant("waagent", "documents: /var/lib/waagent is 0710 root:waagent")],
    selinux: "waagent_net_t",
    capabilities: &[grant("CAP_NET_ADMIN", "firewall: nf_tables demands it for reading and for setting")],
    families: &[grant("AF_NETLINK", "firewall: nf_tables; leases: names of interfaces")],
    connects: Connects::Nowhere,
    reads: &[
        grant("/proc/net", "route: which interface leads to the platform"),
        grant("/run/systemd/netif", "leases: systemd-networkd"),
        grant("/var/db/dhcpcd", "leases: dhcpcd"),
        grant("/var/lib/NetworkManager", "leases: NetworkManager, where it lets others read"),
        grant("/var/lib/dhclient", "leases: dhclient of the Red Hat family"),
        grant("/var/lib/dhcp", "leases: dhclient of the Debian family"),
        grant("/var/lib/dhcpcd", "leases: dhcpcd"),
    ],
    writes: &[
        grant("/run/waagent/net", "lock: one run at a time"),
        grant("/var/lib/waagent/net", "documents: its own folder"),
    ],
    devices: &[],
    executes: &[],
    ioctls: &[TCGETS, TCGETS2],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: None,
    arguments: &[],
    syscalls: &[
        BASE,
        FILES,
        syscall(&["recvfrom", "sendto", "setsockopt", "socket"], "firewall, leases: netlink"),
    ],
};
