//! What `waagent-disk` may do, and why.

use waagent_common::sys::extents::{FS_IOC_FIEMAP, FS_IOC_SETFLAGS};
use waagent_common::sys::partition::{BLKFLSBUF, BLKPG, BLKRRPART};
use waagent_declaration::{
    APART, Access, BASE, Connects, EVENTS, FILES, PROCESSES, Policy, Refusal, RunsAs, Syscalls, TCGETS,
    TCGETS2, found, grant, ioctl, syscall,
};

/// It may write raw disks, so it parses nothing that comes from a network or a person, and mounts nothing.
pub const POLICY: Policy = Policy {
    program: "waagent-disk",
    log_thread: "Daemon Daemon",
    runs_as: RunsAs::Root,
    groups: &[grant("waagent", "report: the document's readers")],
    selinux: "waagent_disk_t",
    capabilities: &[grant("CAP_SYS_ADMIN", "kernel, facts: BLKRRPART, BLKPG, BLKFLSBUF")],
    families: &[],
    connects: Connects::Nowhere,
    reads: &[
        grant("/etc/azure-ephemeral-disk-setup.conf", "owner: does azure-vm-utils look after the disk?"),
        grant("/etc/cloud", "owner: does cloud-init look after the disk?"),
        grant("/etc/fstab", "owner: does the administrator look after the disk?"),
        grant("/etc/mke2fs.conf", "prepare: mkfs.ext4's defaults"),
        grant("/etc/systemd/system", "owner: which units are enabled?"),
        // Wider than its own needs (filesystems, swaps, self/mountinfo, sys/kernel/random): Landlock has no name for
        // "the /proc/self of whom I execute". What is other processes' own, the kernel's ptrace rules keep closed.
        grant(
            "/proc",
            "facts, prepare, swap: mounts and swaps; mkfs.xfs looks for itself whether the disk is mounted",
        ),
        grant("/run/cloud-init", "owner: is cloud-init enabled?"),
        grant("/run/systemd", "owner, wanted: is systemd PID 1, is cloud-init enabled?"),
        grant("/sys/block", "find, scsi: disks and their attributes"),
        grant("/sys/bus", "find: the vmbus channel of the disk"),
        grant("/sys/dev", "disk: what the kernel says of a device number"),
        grant(
            "/sys/fs/ext4",
            "prepare: mkfs.ext4 leaves its inode tables to the kernel if that can do them later",
        ),
        grant("/sys/fs/selinux", "finish: is SELinux on?"),
        grant("/sys/module", "find: what the vmbus devices link to"),
    ],
    writes: &[
        grant("/mnt/resource", "finish: warning file and swap file on the mounted disk"),
        grant("/run/waagent/disk", "flags: what PID 1 is asked to do; the lock"),
        grant("/sys/devices", "scsi: device/timeout of each disk, which is only there"),
        grant("/var/lib/waagent/disk", "journal, report: its own documents"),
    ],
    devices: &[found(
        "block-sd",
        Access::ReadWrite,
        "facts, prepare: the resource disk and its partitions, whatever their names are",
    )],
    executes: &[
        grant("/usr/sbin/fsck.ext4", "check: errors that the kernel found in the file system"),
        grant("/usr/sbin/mkfs.btrfs", "prepare: ResourceDisk.Filesystem=btrfs"),
        grant("/usr/sbin/mkfs.ext2", "prepare: ResourceDisk.Filesystem=ext2"),
        grant("/usr/sbin/mkfs.ext3", "prepare: ResourceDisk.Filesystem=ext3"),
        grant("/usr/sbin/mkfs.ext4", "prepare: ResourceDisk.Filesystem=ext4"),
        grant("/usr/sbin/mkfs.vfat", "prepare: ResourceDisk.Filesystem=vfat"),
        grant("/usr/sbin/mkfs.xfs", "prepare: ResourceDisk.Filesystem=xfs"),
    ],
    ioctls: &[
        ioctl("BLKBSZSET", 0x4008_1271, "prepare: mkfs.xfs sets the size of its reads and writes"),
        ioctl(
            "BLKDISCARD",
            0x1277,
            "prepare: mkfs tells the platform that nothing is kept of what was there",
        ),
        ioctl("BLKDISCARDZEROES", 0x127c, "prepare, check: mkfs.ext4 and fsck.ext4: must zeros be written?"),
        ioctl(
            "BLKFLSBUF",
            BLKFLSBUF,
            "facts: what is on the disk, not what was cached of it; mkfs.xfs: the same",
        ),
        ioctl("BLKGETSIZE64", 0x8008_1272, "prepare, check: mkfs and fsck: how large is it?"),
        ioctl("BLKGETZONESZ", 0x8004_1284, "prepare: mkfs: has it zones?"),
        ioctl("BLKPBSZGET", 0x127b, "prepare: mkfs.ext4: how large are its physical sectors?"),
        ioctl("BLKPG", BLKPG, "kernel: adds the partition where the kernel has no parser for tables"),
        ioctl("BLKROGET", 0x125e, "prepare, check: mkfs.ext4 and fsck.ext4: is it write-protected?"),
        ioctl("BLKRRPART", BLKRRPART, "kernel: has it read the table again"),
        ioctl("BLKSSZGET", 0x1268, "prepare: mkfs: how large are its sectors?"),
        ioctl("FS_IOC_FIEMAP", FS_IOC_FIEMAP, "swap: has the file holes?"),
        ioctl("FS_IOC_SETFLAGS", FS_IOC_SETFLAGS, "swap: a file on btrfs that is written in place"),
        ioctl("HDIO_GETGEO", 0x301, "prepare: mkfs.vfat writes the geometry down"),
        TCGETS,
        TCGETS2,
    ],
    // mkfs asks by ioctl whether its disk is a floppy, a CD drive, a loop device, and copes with "no".
    other_ioctls: Refusal::NO_SUCH_REQUEST,
    other_families: Refusal::Ends,
    maps_code: Some("prepare: executed tools are loaded"),
    arguments: &[],
    syscalls: &[
        APART,
        BASE,
        EVENTS,
        FILES,
        PROCESSES,
        MKFS,
        syscall(&["fgetxattr", "fsetxattr"], "label: SELinux labels"),
    ],
};

/// What the programs that make file systems inherit and need. The shared group of tools has sockets and identities
/// besides, which nothing here needs.
const MKFS: Syscalls = Syscalls {
    what: "mkfs",
    calls: &[
        "arch_prctl",
        "getresgid",
        "getresuid",
        "getrusage",
        "membarrier",
        "mlock",
        "msync",
        "munlock",
        "prctl",
        "preadv",
        "pwritev",
        "set_tid_address",
        "sync",
        "sync_file_range",
        "syncfs",
        "sysinfo",
        "times",
    ],
    why: "prepare: what mkfs inherits and needs",
}
.checked();
