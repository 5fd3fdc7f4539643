//! The declaration of a program: the type in which each `policy.rs` is written.

use serde::{Deserialize, Serialize};

use crate::rules::{Argument, Refusal, Rule};
use crate::shared::Shared;
use crate::syscall_table::is_known;

/// Everything that a program may do, each grant with its reason. Data: an auditor reads it, a test compares it with
/// the unit and the SELinux module, the program enters it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Policy {
    /// Name of the binary.
    pub program: &'static str,
    /// Two words that readers of waagent.log grep for, e.g. `ExtHandler ExtHandler`.
    pub log_thread: &'static str,
    /// Whose rights it has.
    pub runs_as: RunsAs,
    /// Supplementary groups.
    pub groups: &'static [Grant],
    /// SELinux type of its domain.
    pub selinux: &'static str,
    /// Capabilities, `CAP_...`.
    pub capabilities: &'static [Grant],
    /// Address families of sockets that it may open, `AF_...`.
    pub families: &'static [Grant],
    /// TCP ports that it may connect to.
    pub connects: Connects,
    /// Files and folders that it may read.
    pub reads: &'static [Grant],
    /// Files and folders that it may read, change and make files in.
    pub writes: &'static [Grant],
    /// Device nodes that it may open.
    pub devices: &'static [Device],
    /// Programs that it may execute, by absolute path.
    pub executes: &'static [Grant],
    /// Requests of ioctl(2), on whatever descriptor.
    pub ioctls: &'static [Ioctl],
    /// What another request is answered.
    pub other_ioctls: Refusal,
    /// What a socket of another family is answered.
    pub other_families: Refusal,
    /// Why it may make memory executable; none where it may not.
    pub maps_code: Option<&'static str>,
    /// Calls of which it needs one purpose alone.
    pub arguments: &'static [Argument],
    /// System calls.
    pub syscalls: &'static [Syscalls],
}

/// Whose rights a program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunsAs {
    /// A system user of its own.
    User(&'static str),
    /// uid 0.
    Root,
    /// Whoever started it.
    Caller,
}

/// Which TCP connections a program may open.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connects {
    /// None at all.
    Nowhere,
    /// To these ports.
    Ports(&'static [(u16, &'static str)]),
    /// To any port, for the reason given.
    Anywhere(&'static str),
}

/// One thing that is allowed, and the step that needs it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Grant {
    /// A path, capability, family ...
    pub what: &'static str,
    /// The step that needs it.
    pub why: &'static str,
}

/// A grant.
pub const fn grant(what: &'static str, why: &'static str) -> Grant {
    Grant { what, why }
}

/// A device node, or several of a kind.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Device {
    /// Its path; or the class, by the name that `DeviceAllow=` has for it (`block-sd`), of which one disk is used.
    pub what: &'static str,
    /// Is it a path, or found at run time?
    pub named: Named,
    /// What it is opened for.
    pub access: Access,
    /// The step that needs it.
    pub why: &'static str,
}

/// How the nodes of a device are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// By a path.
    Path,
    /// By what sysfs says of the hardware. Whoever only looks for it may open what is in `/dev`, since nodes appear
    /// meanwhile; whoever reads what is on it has these nodes alone (`waagent_common::sandbox`).
    Found,
}

/// What a device is opened for. What is asked of it besides, `ioctls` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

impl Access {
    /// As `DeviceAllow=` has it.
    pub const fn letters(self) -> &'static str {
        match self {
            Self::Read => "r",
            Self::Write => "w",
            Self::ReadWrite => "rw",
        }
    }
}

/// A device by its path.
pub const fn device(what: &'static str, access: Access, why: &'static str) -> Device {
    Device { what, named: Named::Path, access, why }
}

/// The devices of a class that a program finds.
pub const fn found(what: &'static str, access: Access, why: &'static str) -> Device {
    Device { what, named: Named::Found, access, why }
}

/// A request of ioctl(2).
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ioctl {
    /// Its name in the kernel's headers.
    pub what: &'static str,
    /// Its number.
    pub request: u32,
    /// The step that needs it.
    pub why: &'static str,
}

/// An ioctl.
pub const fn ioctl(what: &'static str, request: u32, why: &'static str) -> Ioctl {
    Ioctl { what, request, why }
}

/// A group of system calls, or a single one.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Syscalls {
    /// Name of the group or call.
    pub what: &'static str,
    /// Its calls.
    pub calls: &'static [&'static str],
    /// What they are for.
    pub why: &'static str,
}

/// Single system calls. A name that means nothing on this processor doesn't compile:
///
/// ```compile_fail
/// use waagent_declaration::{Syscalls, syscall};
/// const MISSPELT: Syscalls = syscall(&["opnat"], "a call that no kernel has");
/// # const _: &str = MISSPELT.what;
/// ```
/// ```
/// use waagent_declaration::{Syscalls, syscall};
/// const WELL_SPELT: Syscalls = syscall(&["open", "openat"], "x86-64 has both, 64-bit ARM one for both");
/// # const _: &str = WELL_SPELT.what;
/// ```
pub const fn syscall(calls: &'static [&'static str], why: &'static str) -> Syscalls {
    Syscalls { what: "calls", calls, why }.checked()
}

impl Syscalls {
    /// The group, if each of its names means something on this processor; in a constant, the compiler names the first
    /// that doesn't.
    #[must_use]
    pub const fn checked(self) -> Self {
        let mut calls = self.calls;
        while let [call, rest @ ..] = calls {
            assert!(is_known(call), "{}", *call);
            calls = rest;
        }
        self
    }
}

/// The declaration with the rules that follow from it, and what it has besides.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    policy: &'a Policy,
    rules: Vec<Rule>,
    shared: Shared,
}

impl Policy {
    /// A declaration of nothing at all, for what declares little: `Policy { program: "x", ..Policy::NOTHING }`. The
    /// programs' own name each kind of grant, that it is seen which they lack.
    pub const NOTHING: Self = Self {
        program: "",
        log_thread: "",
        runs_as: RunsAs::Caller,
        groups: &[],
        selinux: "",
        capabilities: &[],
        families: &[],
        connects: Connects::Nowhere,
        reads: &[],
        writes: &[],
        devices: &[],
        executes: &[],
        ioctls: &[],
        other_ioctls: Refusal::Ends,
        other_families: Refusal::Ends,
        maps_code: None,
        arguments: &[],
        syscalls: &[],
    };

    /// The declaration as JSON, as `--policy` prints it.
    pub fn to_json(&self) -> String {
        // Static data of plain types: serialising it can't fail.
        serde_json::to_string_pretty(&Printed { policy: self, rules: self.rules(), shared: self.shared() })
            .unwrap_or_default()
    }
}
