//! A program's confinement: declared once, entered before a byte of input is looked at, reported in every document.
//!
//! Order: the agent's own accounts are looked up and the user is checked, then the SELinux domain, then capabilities go,
//! then `no_new_privs`, Landlock and seccomp come. Each layer says what the kernel really granted; [`Sandbox::satisfies`]
//! refuses to work below the declaration unless the administrator said that it may.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use waagent_declaration::{Policy, RunsAs};

use crate::args::Common;
use crate::fault::{Exit, Fault};
use crate::file_identity::Names;
use crate::root::Root;
use crate::users;

mod capabilities;
mod capability_guard;
mod filter;
mod landlock;
mod selinux;

pub use capability_guard::{give_up, lay_down, take_up};

/// What was enforced, as each document states it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxReport {
    /// Effective user number.
    pub uid: u32,
    /// Permitted capabilities.
    pub capabilities: Vec<String>,
    /// Capabilities that a program it executes could get.
    pub bounding: Vec<String>,
    /// `no_new_privs` of prctl(2).
    pub no_new_privs: bool,
    /// `enforced, ABI 6`, or why not.
    pub landlock: String,
    /// `enforced, 84 system calls`, or why not.
    pub seccomp: String,
    /// The SELinux context, `disabled` where there is none.
    pub selinux: String,
}

/// Proof that the program has confined itself, as far as the kernel let it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    report: SandboxReport,
    shortfalls: Vec<String>,
    names: Names,
    kept: landlock::Kept,
}

/// What a program does with its declaration.
pub trait Confine {
    /// Confines the calling process for good. Called with one thread, before any input is read.
    fn enter(&self, args: &Common) -> Result<Sandbox, Fault>;

    /// Confines the calling process further, for good: of the declared classes of devices it has these nodes alone.
    /// Nodes that aren't there are no error: there is nothing to open.
    fn narrow(&self, args: &Common, nodes: &[PathBuf], sandbox: &Sandbox) -> Sandbox;

    /// For a program that doesn't confine itself: refuses (77) to work in a foreign SELinux domain.
    fn check_domain(&self) -> Result<(), Fault>;
}

impl Confine for Policy {
    fn enter(&self, args: &Common) -> Result<Sandbox, Fault> {
        let root = args.root();
        users::settle(&root);
        let uid = nix::unistd::geteuid().as_raw();
        if let RunsAs::User(user) = self.runs_as
            && root.is_live()
            && users::uid_of(&root, user) != Some(uid)
        {
            let text = format!(
                "cannot start: {} runs as user '{user}', not as uid {uid}; use 'systemctl start {}'",
                self.program, self.program
            );
            return Err(Fault::new(Exit::NotPermitted, text));
        }
        let selinux = selinux::check(self.selinux)?;
        let mut shortfalls = Vec::new();
        capabilities::narrow(self.capabilities, &mut shortfalls);
        if let Err(error) = nix::sys::prctl::set_no_new_privs() {
            shortfalls.push(format!("cannot set no_new_privs: {error}"));
        }
        // The filter comes last and forbids asking: what the report says is read before it.
        let mut report = SandboxReport {
            uid,
            capabilities: capabilities::permitted(),
            bounding: capabilities::bounding(),
            no_new_privs: nix::sys::prctl::get_no_new_privs().unwrap_or(false),
            selinux,
            ..SandboxReport::default()
        };
        // Noted before the rules are made: what is replaced in between is seen.
        let names = names(self, &root);
        let mut kept = Vec::new();
        report.landlock = landlock::restrict(self, args, None, &mut kept, &mut shortfalls);
        report.seccomp = filter::install(self, &mut shortfalls);
        Ok(Sandbox { report, shortfalls, names, kept })
    }

    fn narrow(&self, args: &Common, nodes: &[PathBuf], sandbox: &Sandbox) -> Sandbox {
        let mut narrowed = sandbox.clone();
        narrowed.report.landlock =
            landlock::restrict(self, args, Some(nodes), &mut narrowed.kept, &mut narrowed.shortfalls);
        narrowed
    }

    fn check_domain(&self) -> Result<(), Fault> {
        selinux::check(self.selinux).map(|_context| ())
    }
}

/// What the rules for files stand on, but for the kernel's own file systems, where nobody renames. A rule for a folder
/// holds for all below it, whatever becomes of the names there: another program's user may move those of its own.
fn names(policy: &Policy, root: &Root) -> Names {
    let granted: Vec<&Path> =
        policy.reads.iter().chain(policy.writes).map(|grant| Path::new(grant.what)).collect();
    let is_covered = |path: &Path| granted.iter().any(|other| *other != path && path.starts_with(other));
    let is_the_kernels = |path: &Path| ["/dev", "/proc", "/sys"].iter().any(|tree| path.starts_with(tree));
    let mut names = Names::default();
    for path in granted.iter().filter(|path| !is_covered(path) && !is_the_kernels(path)) {
        names.note(&root.path(path));
    }
    names
}

impl Sandbox {
    /// What was enforced.
    pub fn report(&self) -> &SandboxReport {
        &self.report
    }

    /// What the policy declares and the kernel offers, but couldn't be entered.
    pub fn shortfalls(&self) -> &[String] {
        &self.shortfalls
    }

    /// Names that the program's work stands on, besides those of its policy.
    #[must_use]
    pub fn and(mut self, names: &Names) -> Self {
        self.names.extend(names.clone());
        self
    }

    /// A name that leads to another file than when the sandbox was entered, or to other content: the program can't follow
    /// it, or has read what is out of date. A program that stays ends then, and is started anew.
    pub fn moved(&self) -> Option<&Path> {
        self.names.moved()
    }

    /// `Sandbox.Required`: refuses (77) to work below the declaration where the kernel could give it.
    pub fn satisfies(&self, required: bool) -> Result<(), Fault> {
        let [first, ..] = self.shortfalls.as_slice() else { return Ok(()) };
        if required {
            let hint = "set Sandbox.Required=n in /etc/waagent.conf to work without it";
            let text = format!("refusing to work: {first}; {hint}");
            return Err(Fault::new(Exit::NotPermitted, text));
        }
        for shortfall in &self.shortfalls {
            crate::log::warning(&format!("{shortfall}, ignoring since Sandbox.Required=n"));
        }
        Ok(())
    }

    /// For a program that is unconfined by its nature, and says so in its policy.
    pub fn unconfined() -> Self {
        let report = SandboxReport {
            uid: nix::unistd::geteuid().as_raw(),
            capabilities: capabilities::permitted(),
            bounding: capabilities::bounding(),
            no_new_privs: nix::sys::prctl::get_no_new_privs().unwrap_or(false),
            landlock: "none: this program is unconfined".to_owned(),
            seccomp: "none: this program is unconfined".to_owned(),
            selinux: selinux::context(),
        };
        Self { report, shortfalls: Vec::new(), names: Names::default(), kept: Vec::new() }
    }
}
