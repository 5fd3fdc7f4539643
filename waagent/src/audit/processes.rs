//! What the kernel holds running processes by.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use caps::Capability;
use waagent_common::users::{gid_of, uid_of};
use waagent_declaration::Declaration;

use super::finding::{Finding, Layer, Subject};
use super::machine::{Machine, PROGRAMS};

/// Compares every running process of a declared program.
pub fn compare(machine: &Machine, declarations: &[Declaration]) -> Vec<Finding> {
    let running = running(machine);
    let mut found = Vec::new();
    for declaration in declarations {
        let subject = Subject::new(&declaration.program, Layer::Process);
        let own: Vec<&Running> =
            running.iter().filter(|process| process.program == declaration.program).collect();
        if own.is_empty() {
            found.push(subject.unchecked("process", "it isn't running now"));
        }
        for process in own {
            found.extend(one(machine, declaration, process, &subject));
        }
    }
    found
}

/// A process whose executable is a program of ours.
struct Running {
    program: String,
    folder: PathBuf,
    pid: String,
    /// The executable was replaced since it started.
    stale: bool,
}

fn running(machine: &Machine) -> Vec<Running> {
    let mut found = Vec::new();
    let Ok(folder) = fs::read_dir(machine.path("/proc")) else { return found };
    for entry in folder.filter_map(Result::ok) {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process that is gone, or a thread of the kernel, has none.
        let Ok(target) = fs::read_link(entry.path().join("exe")) else { continue };
        let target = target.to_string_lossy().into_owned();
        let (path, stale) = target.strip_suffix(" (deleted)").map_or((target.as_str(), false), |p| (p, true));
        if let Ok(name) = Path::new(path).strip_prefix(PROGRAMS) {
            let program = name.to_string_lossy().into_owned();
            found.push(Running { program, folder: entry.path(), pid, stale });
        }
    }
    found.sort_by_key(|process| process.pid.parse::<u64>().unwrap_or(u64::MAX));
    found
}

fn one(machine: &Machine, declaration: &Declaration, process: &Running, subject: &Subject) -> Vec<Finding> {
    let restart = format!("systemctl restart {}.service", declaration.program);
    let status = match fs::read_to_string(process.folder.join("status")) {
        Ok(status) => status,
        Err(error) => return vec![subject.unchecked(format!("process {}", process.pid), error.to_string())],
    };
    let look = Look { machine, declaration, subject, status: &status, pid: &process.pid, restart };
    let mut found = Vec::new();
    if process.stale {
        let (expected, now) = ("the installed program", "a program that was replaced since");
        found.push(subject.differs(look.what("exe"), expected, now, look.restart.clone()));
    }
    found.push(look.domain(&process.folder));
    if !declaration.is_unconfined() {
        found.push(look.user());
        found.push(look.groups());
        found
            .extend(["CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"].map(|field| look.capabilities(field)));
        found.push(look.equals("NoNewPrivs", "1"));
        found.push(look.equals("Seccomp", "2"));
    }
    found
}

/// A process that is looked at.
struct Look<'a> {
    machine: &'a Machine,
    declaration: &'a Declaration,
    subject: &'a Subject,
    status: &'a str,
    pid: &'a str,
    restart: String,
}

impl Look<'_> {
    fn what(&self, field: &str) -> String {
        format!("process {} {field}", self.pid)
    }

    /// A line of /proc/PID/status, see proc_pid_status(5).
    fn field(&self, name: &str) -> &str {
        let line = self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().trim()
    }

    fn equals(&self, field: &str, expected: &str) -> Finding {
        self.subject.compare(self.what(field), expected, self.field(field), &self.restart)
    }

    /// Real, effective, saved and file system user: all the same.
    fn user(&self) -> Finding {
        let Some(uid) = uid_of(&self.machine.root, self.declaration.user()) else {
            let missing = format!("there is no user '{}'", self.declaration.user());
            return self.subject.differs(
                self.what("Uid"),
                self.declaration.user(),
                missing,
                "run systemd-sysusers",
            );
        };
        let expected = vec![uid.to_string(); 4].join(" ");
        let found = self.field("Uid").split_whitespace().collect::<Vec<_>>().join(" ");
        self.subject.compare(self.what("Uid"), &expected, &found, &self.restart)
    }

    /// The declared groups, besides the one that is the user's own.
    fn groups(&self) -> Finding {
        let gid = |name: &str| gid_of(&self.machine.root, name);
        let own = gid(self.declaration.user()).map(|gid| gid.to_string());
        let mut found: BTreeSet<&str> = self.field("Groups").split_whitespace().collect();
        found.extend(self.field("Gid").split_whitespace());
        let found: BTreeSet<String> =
            found.into_iter().map(str::to_owned).filter(|gid| Some(gid) != own.as_ref()).collect();
        let names = self.declaration.groups.iter().map(|grant| &grant.what);
        let expected: BTreeSet<String> =
            names.map(|name| gid(name).map_or_else(|| name.to_owned(), |gid| gid.to_string())).collect();
        let line = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        self.subject.compare(self.what("Groups"), &line(&expected), &line(&found), &self.restart)
    }

    /// No more than declared: a program gives some up when it is done with them.
    fn capabilities(&self, field: &str) -> Finding {
        let declared = self.declaration.capabilities();
        let Ok(bits) = u64::from_str_radix(self.field(field), 16) else {
            return self.subject.unchecked(self.what(field), "the kernel doesn't say");
        };
        let beyond: Vec<String> = caps::all()
            .into_iter()
            .filter(|capability| bits & capability.bitmask() != 0)
            .map(|capability: Capability| capability.to_string())
            .filter(|name| !declared.contains(name.as_str()))
            .collect();
        if beyond.is_empty() {
            return self.subject.ok(self.what(field));
        }
        let expected = declared.into_iter().collect::<Vec<_>>().join(" ");
        let expected = if expected.is_empty() { "none".to_owned() } else { format!("at most {expected}") };
        self.subject.differs(self.what(field), expected, beyond.join(" "), self.restart.clone())
    }

    fn domain(&self, folder: &Path) -> Finding {
        let what = self.what("domain");
        if self.machine.enforces().is_none() {
            return self.subject.unchecked(what, "SELinux is off");
        }
        let context = fs::read_to_string(folder.join("attr/current")).unwrap_or_default();
        let context = context.trim_end_matches(['\0', '\n']);
        let domain = context.split(':').nth(2).unwrap_or(context);
        let remedy = format!("restorecon -v {PROGRAMS}/{}; {}", self.declaration.program, self.restart);
        self.subject.compare(what, &self.declaration.selinux, domain, &remedy)
    }
}
