//! What `waagent-media` may do, and why.

use waagent_common::sys::cdrom::{CDROM_LOCKDOOR, CDROMEJECT};
use waagent_declaration::{
    APART, Access, BASE, Connects, EVENTS, FILES, Policy, Refusal, RunsAs, TCGETS, TCGETS2, WITH_ITS_PARENT,
    found, grant, ioctl,
};

/// It parses a medium that anybody may have put in: so it has no right that is worth having but reading that medium.
pub const POLICY: Policy = Policy {
    program: "waagent-media",
    log_thread: "Daemon Daemon",
    runs_as: RunsAs::User("waagent-media"),
    groups: &[
        grant("cdrom", "find: the drive's device node"),
        grant("waagent", "decide: walks through /var/lib/waagent to the marker and the status"),
    ],
    selinux: "waagent_media_t",
    capabilities: &[],
    families: &[],
    connects: Connects::Nowhere,
    reads: &[
        grant("/etc/cloud", "decide: is cloud-init switched off?"),
        grant("/etc/systemd/system", "decide: is cloud-init enabled?"),
        grant("/mnt/cdrom/secure", "find: a medium that PID 1 had to mount"),
        grant("/proc/cmdline", "decide: the kernel's command line may switch cloud-init off"),
        grant("/run/cloud-init", "decide: is cloud-init enabled?"),
        grant("/run/systemd", "decide: is cloud-init enabled?"),
        grant("/run/udev", "find: is udev done with the drive?"),
        grant("/run/waagent/provision", "release: what provisioning wishes"),
        grant("/sys/block", "find: which block devices are drives"),
        grant("/sys/bus", "find: is this Hyper-V?"),
        grant("/sys/class/dmi/id", "decide: this machine's identity"),
        grant("/sys/devices", "find: what /sys/block and /sys/class link to"),
        grant("/usr/lib/systemd/system", "decide: is cloud-init installed?"),
        grant("/var/lib/waagent/provision", "release: has provisioning succeeded?"),
        grant("/var/lib/waagent/provisioned", "decide: the marker, and whose it is"),
    ],
    writes: &[grant("/run/waagent/media", "publish: the copy, its document, the lock")],
    devices: &[found("block-sr", Access::Read, "find, release: reading the medium, opening the tray")],
    executes: &[],
    ioctls: &[
        ioctl("CDROMEJECT", CDROMEJECT, "release: opens the tray"),
        ioctl("CDROM_LOCKDOOR", CDROM_LOCKDOOR, "release: unlocks it before"),
        TCGETS,
        TCGETS2,
    ],
    other_ioctls: Refusal::Ends,
    other_families: Refusal::Ends,
    maps_code: None,
    arguments: &[WITH_ITS_PARENT],
    syscalls: &[APART, BASE, EVENTS, FILES],
};
