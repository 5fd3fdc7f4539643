# Where a unit and its program's declaration differ, and why. A line that isn't needed any more fails.
# shellcheck shell=bash
#
# unit | key | + what the unit grants beyond, - what it grants less | reason

exceptions() {
    sed '/^$/d' <<'TABLE'
waagent-disk.service|ReadWritePaths|+/mnt|a bind of the mount point on itself would look as if it were taken; Landlock opens /mnt/resource alone
waagent-disk.service|ReadWritePaths|-/mnt/resource|the same: it is in /mnt
waagent-failed@.service|RestrictAddressFamilies|-AF_INET|it writes one document, and talks to nobody
waagent-failed@.service|RestrictAddressFamilies|-AF_INET6|it writes one document, and talks to nobody
waagent-failed@.service|RestrictAddressFamilies|-AF_UNIX|it writes one document, and talks to nobody
waagent-provision.service|ReadWritePaths|-/proc|no unit makes it read-only; ProtectKernelTunables= does for the kernel's switches
waagent-provision.service|ReadWritePaths|-/sys/fs/selinux|ProtectKernelTunables= leaves it, for tools ask the policy there
waagent-provision-late.service|ReadWritePaths|-/proc|no unit makes it read-only; ProtectKernelTunables= does for the kernel's switches
waagent-provision-late.service|ReadWritePaths|-/sys/fs/selinux|ProtectKernelTunables= leaves it, for tools ask the policy there
TABLE
}

# What every confined service says.
baseline() {
    sed '/^$/d' <<'TABLE'
DevicePolicy=closed
IPAddressDeny=any
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
PrivateNetwork=yes
PrivateTmp=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
UMask=0077
TABLE
}

# ... but for these: unit | line that it has instead | reason
relaxations() {
    sed '/^$/d' <<'TABLE'
waagent-certs.service|ProcSubset=all|/proc/sys/crypto/fips_enabled
waagent-dial.service|PrivateNetwork=no|it connects for the fetcher
waagent-disk.service|PrivateDevices=no|the disks
waagent-disk.service|ProcSubset=all|/proc/swaps, /proc/filesystems
waagent-disk.service|ProtectKernelModules=no|reads which file systems can be loaded; loads nothing
waagent-disk-finish.service|PrivateDevices=no|the disks
waagent-disk-finish.service|ProcSubset=all|/proc/swaps, /proc/filesystems
waagent-disk-finish.service|ProtectKernelModules=no|reads which file systems can be loaded; loads nothing
waagent-ext.service|ProcSubset=all|/proc/sys/kernel/random/boot_id
waagent-fetch.service|IPAddressDeny=169.254.169.254|storage, proxies and name servers may be anywhere
waagent-fetch.service|PrivateNetwork=no|storage and proxies
waagent-fetch.service|ProcSubset=all|/proc/sys/crypto/fips_enabled
waagent-fetch.service|ProtectHostname=no|the status has the computer's name, also a new one
waagent-firewall.service|PrivateNetwork=no|the machine's own nf_tables
waagent-media.service|PrivateDevices=no|the drive, also one that comes late
waagent-media.service|ProcSubset=all|/proc/cmdline may switch cloud-init off
waagent-net.service|PrivateNetwork=no|the machine's own nf_tables and routes
waagent-provision.service|PrivateDevices=no|the boot console
waagent-provision.service|ProcSubset=all|/proc/cmdline, and what its tools ask for
waagent-provision.service|ProtectHome=no|the user's home and keys
waagent-provision.service|ProtectHostname=no|it sets the host name
waagent-provision-late.service|PrivateDevices=no|the boot console
waagent-provision-late.service|ProcSubset=all|/proc/cmdline, and what its tools ask for
waagent-provision-late.service|ProtectHome=no|the user's home and keys
waagent-provision-late.service|ProtectHostname=no|it sets the host name
TABLE
}

# Services without a declaration to compare with, and why.
without_policy() { # UNIT
    case $1 in
        waagent.service) echo "prints the version and ends" ;;
        waagent-ext-run@.service) echo "unconfined by promise; see the check of its own" ;;
        waagent-customdata.service) echo "unconfined by promise; see the check of its own" ;;
        *) return 1 ;;
    esac
}
