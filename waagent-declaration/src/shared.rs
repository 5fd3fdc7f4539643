//! What programs may do besides what each declares for itself: the same for all, or for all that declare something of a
//! kind. There is nothing else: the sandbox is made of a policy and of these.

use serde::Serialize;

use crate::policy::{Grant, Policy, grant};

/// What every program reads before it enters its sandbox, which therefore knows nothing of it: others replace these
/// files at any moment.
pub const READ_BEFORE: &[Grant] = &[
    grant("/etc/waagent.conf", "configuration: the administrator's"),
    grant("/etc/waagent.conf.d", "configuration: drop-ins"),
    grant("/usr/lib/waagent", "configuration: the distribution's"),
    grant("/etc/passwd", "accounts: whose the documents are that it reads"),
    grant("/etc/group", "accounts: who may read the documents that it writes"),
];

/// What every program reads inside its sandbox.
pub const COMMON_READS: &[Grant] = &[
    grant("/proc/self", "its own memory, descriptors and SELinux context"),
    grant("/dev/null", "a stream that leads nowhere"),
];

/// What every program that executes tools reads for them, since they inherit its sandbox.
pub const TOOL_READS: &[Grant] = &[
    grant("/usr", "libraries and data of the tools"),
    grant("/lib", "libraries of the tools, where it isn't a link to /usr"),
    grant("/lib64", "libraries of the tools, where it isn't a link to /usr"),
    grant("/bin", "tools, where it isn't a link to /usr"),
    grant("/sbin", "tools, where it isn't a link to /usr"),
    grant("/etc/group", "tools ask who runs them"),
    grant("/etc/ld.so.cache", "where libraries are"),
    grant("/etc/nsswitch.conf", "where accounts are"),
    grant("/etc/passwd", "tools ask who runs them"),
];

/// What executing a dynamically linked program takes, besides the program.
pub const TOOL_LOADERS: &[Grant] = &[
    grant("/lib64/ld-linux-x86-64.so.2", "loads dynamically linked tools"),
    grant("/lib/ld-linux-aarch64.so.1", "loads dynamically linked tools, on 64-bit ARM"),
];

/// Declared calls with many purposes, of which a policy may name some in `arguments`.
const MANY_PURPOSES: &[&str] = &["fcntl", "prctl", "prlimit64", "getsockopt", "setsockopt"];

/// What a program has besides its own declaration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Shared {
    /// Read before the sandbox is entered.
    pub read_before: Vec<Grant>,
    /// Read inside it.
    pub reads: Vec<Grant>,
    /// Executed inside it.
    pub executes: Vec<Grant>,
    /// What its grants open wider than their words: what neither Landlock nor the filter can narrow, and who does.
    pub wide: Vec<Grant>,
}

impl Policy {
    /// Everything that this program may do besides what it declares; nothing of that is of interest where nothing is
    /// confined.
    pub fn shared(&self) -> Shared {
        if self.is_unconfined() {
            return Shared::default();
        }
        let tools = |grants: &[Grant]| if self.executes.is_empty() { Vec::new() } else { grants.to_vec() };
        Shared {
            read_before: READ_BEFORE.to_vec(),
            reads: [COMMON_READS.to_vec(), tools(TOOL_READS)].concat(),
            executes: tools(TOOL_LOADERS),
            wide: self.wide(),
        }
    }

    /// Does it declare that nothing confines it?
    pub fn is_unconfined(&self) -> bool {
        self.capabilities.iter().any(|grant| grant.what == "all")
    }

    fn wide(&self) -> Vec<Grant> {
        let has = |family: &str| self.families.iter().any(|grant| grant.what == family);
        let mut wide = Vec::new();
        if has("AF_INET") || has("AF_INET6") {
            wide.push(grant(
                "UDP",
                "any address and port: Landlock knows TCP alone; IPAddressDeny= of the unit",
            ));
        }
        if has("AF_UNIX") && self.declares("connect") {
            wide.push(grant(
                "local sockets",
                "any that has a path: connecting isn't Landlock's; their modes and SELinux; abstract ones are closed",
            ));
        }
        if self.maps_code.is_some() {
            wide.push(grant(
                "PROT_EXEC",
                "of any file that it may read; MemoryDenyWriteExecute= of the unit",
            ));
        }
        let is_narrowed = |call: &str| self.arguments.iter().any(|argument| argument.what == call);
        wide.extend(
            MANY_PURPOSES
                .iter()
                .filter(|call| self.declares(call) && !is_narrowed(call))
                .map(|call| grant(call, "with any argument: it reaches what is open already, or itself")),
        );
        wide
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{APART, BASE, NETWORK, Syscalls, THREADS, WITH_ITS_PARENT};

    const POLICY: Policy = Policy { program: "test", syscalls: &[BASE], ..Policy::NOTHING };

    const TOOLS: &[Grant] = &[grant("/bin/true", "test")];
    const FAMILIES: &[Grant] = &[grant("AF_INET", "test"), grant("AF_UNIX", "test")];
    const WIDE: &[Syscalls] = &[BASE, NETWORK, THREADS];
    const NARROW: &[Syscalls] = &[APART];
    const ALL: &[Grant] = &[grant("all", "test")];

    fn words(grants: &[Grant]) -> Vec<&'static str> {
        grants.iter().map(|grant| grant.what).collect()
    }

    #[test]
    fn who_executes_nothing_has_nothing_of_the_tools() {
        let shared = POLICY.shared();
        assert_eq!(words(&shared.reads), ["/proc/self", "/dev/null"]);
        assert!(shared.executes.is_empty());
        let shared = Policy { executes: TOOLS, ..POLICY }.shared();
        assert!(words(&shared.reads).contains(&"/usr") && shared.executes.len() == 2);
    }

    #[test]
    fn what_no_layer_of_the_program_narrows_is_said() {
        assert_eq!(words(&POLICY.shared().wide), ["fcntl", "prlimit64"]);
        let open = Policy { families: FAMILIES, syscalls: WIDE, ..POLICY };
        assert_eq!(
            words(&open.shared().wide),
            ["UDP", "local sockets", "fcntl", "prctl", "prlimit64", "getsockopt", "setsockopt"]
        );
        let narrowed = Policy { syscalls: NARROW, arguments: &[WITH_ITS_PARENT], ..POLICY };
        assert_eq!(words(&narrowed.shared().wide), Vec::<&str>::new());
    }

    #[test]
    fn the_unconfined_have_all_and_share_nothing() {
        let all = Policy { capabilities: ALL, ..POLICY }.shared();
        assert!(all.reads.is_empty() && all.wide.is_empty());
    }
}
