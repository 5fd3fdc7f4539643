//! Everything that waagent-provision may do, each grant with the step that needs it.

use waagent_declaration::{
    Access, BASE, Connects, FILES, PROCESSES, Policy, Refusal, RunsAs, TCGETS, TCGETS2, TOOLS, device, grant,
    syscall,
};

/// What is enforced, printed by `--policy`, and compared with the unit and the SELinux module.
pub const POLICY: Policy = Policy {
    program: "waagent-provision",
    log_thread: "Daemon Daemon",
    runs_as: RunsAs::Root,
    groups: &[
        grant("waagent", "status: documents are read by this group"),
        grant("waagent-media", "media: the copy of ovf-env.xml, which holds the password"),
    ],
    selinux: "waagent_provision_t",
    capabilities: &[
        grant("CAP_AUDIT_WRITE", "user, password: useradd and chpasswd tell the audit log"),
        grant("CAP_CHOWN", "user: useradd gives the home away; home: a killed useradd's is finished"),
        grant(
            "CAP_DAC_OVERRIDE",
            "tools: Fedora's /etc/shadow is 0000; key pairs: one .prv; else out of the effective set",
        ),
        grant(
            "CAP_DAC_READ_SEARCH",
            "labels: restorecon enters the user's folders; Fedora's policy gives it this right and not the one above",
        ),
        grant("CAP_FOWNER", "user: modes of what belongs to others; state folder: its mode"),
        grant("CAP_FSETID", "state folder: chown and chmod keep the set-group-ID bit"),
        grant("CAP_SETGID", "authorized keys: works with the user's group; sshd -T drops its groups"),
        grant("CAP_SETUID", "authorized keys: works in the home with the user's rights alone"),
        grant("CAP_SYS_ADMIN", "host name: sethostname(2); given up right after it"),
    ],
    families: &[
        grant("AF_NETLINK", "user, password: the tools' audit messages"),
        grant(
            "AF_UNIX",
            "user, password: the tools' name service and system log; late: the word to the service manager",
        ),
    ],
    connects: Connects::Nowhere,
    reads: &[
        grant("/run", "media: ovf-env.xml and its document; cloud-init: its state; tools: name service"),
        grant("/run/waagent/media", "media: ovf-env.xml and its document"),
        grant("/sys/class/dmi/id/product_uuid", "identity: which VM this is"),
        grant("/sys/devices/virtual/dmi/id/product_uuid", "identity: where the name above leads"),
        grant("/sys/firmware", "entropy: table OEM0; identity: is there UEFI"),
        grant("/var/lib/waagent/certs", "key pairs: which are there, and their keys"),
    ],
    writes: &[
        grant("/etc", "host name, sshd, sudoers, host keys; user: useradd renames its files in this folder"),
        // Written in it is /proc/self/attr/fscreate alone, whose inode is a new one for each tool: useradd gives its files
        // their labels by that, and fails where it can't. What else is writable there, the unit and SELinux keep shut.
        grant("/proc", "tools: SELinux labels of their files; limits and switches of the kernel, FIPS"),
        grant("/home", "user: useradd makes the home; authorized keys, key pairs"),
        grant("/root", "authorized keys: only with Provisioning.AllowResetSysUser=y and UserName root"),
        grant("/run/waagent/provision", "lock, flags for PID 1"),
        grant("/sys/fs/selinux", "tools: ask the SELinux policy, by writing the question"),
        grant(
            "/var/lib/waagent",
            "its folder and documents, ovf-env.xml, CustomData, markers, links; to the other programs' folders \
             the unit's ReadOnlyPaths= and SELinux close it",
        ),
        grant("/var/lib/waagent/provision", "status, journal: its own folder"),
        grant("/var/log/faillog", "user: useradd clears the number's old entry"),
        grant("/var/log/lastlog", "user: useradd clears the number's old entry"),
        grant("/var/mail", "user: useradd makes the mail spool"),
        grant("/var/spool/mail", "user: useradd makes the mail spool"),
    ],
    devices: &[
        device("/dev/console", Access::Write, "steps: what happens, for the serial console"),
        device("/dev/null", Access::ReadWrite, "tools: their standard streams"),
        device("/dev/random", Access::Read, "password: salt, once the pool is ready"),
        device("/dev/tty", Access::ReadWrite, "host keys: ssh-keygen looks for a terminal"),
        device("/dev/urandom", Access::ReadWrite, "entropy: mixes in the hypervisor's bytes"),
    ],
    executes: &[
        grant("/usr/bin/passwd", "password, root password: the state of an account"),
        grant("/usr/bin/ssh-keygen", "host keys: makes them"),
        grant("/usr/sbin/chpasswd", "password, root password: sets a hash that it reads from standard input"),
        grant("/usr/sbin/restorecon", "labels: SELinux labels of what was made"),
        grant("/usr/sbin/sshd", "sshd: checks its configuration, says what is in force"),
        grant("/usr/sbin/useradd", "user: makes it"),
        grant("/usr/sbin/visudo", "sudoers: checks the rule before sudo sees it"),
    ],
    ioctls: &[TCGETS, TCGETS2],
    // Tools ask for the size of their terminal, and cope with having none.
    other_ioctls: Refusal::NO_SUCH_REQUEST,
    // Tools ask for host names and interfaces, and cope with "not supported".
    other_families: Refusal::NO_SUCH_FAMILY,
    maps_code: Some("user, password, sshd: executed tools are loaded"),
    arguments: &[],
    syscalls: &[
        BASE,
        FILES,
        PROCESSES,
        TOOLS,
        syscall(&["sethostname"], "host name: the kernel's name; no effect without CAP_SYS_ADMIN"),
    ],
};
