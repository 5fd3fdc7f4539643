//! What starts a program again: the files that its path unit would watch.
//!
//! A run is due when a file isn't the one that the last run began with, so no change is lost, also one that came
//! while the program was at work.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use waagent_common::root::{RUNTIME_PATH, STATE_PATH};

use super::programs::Program;

/// Files and the programs that look at them.
pub(crate) const TRIGGERS: &[(&str, &str, Program)] = &[
    (STATE_PATH, "fetch/certificates.json", Program::Certs),
    (STATE_PATH, "fetch/transport-problem.json", Program::Certs),
    (STATE_PATH, "certs/certificates.json", Program::ProvisionLate),
    (RUNTIME_PATH, "media/ovf-env.xml", Program::ProvisionLate),
    (RUNTIME_PATH, LATE, Program::ProvisionLate),
    (STATE_PATH, "fetch/endpoint-problem.json", Program::Net),
    (RUNTIME_PATH, "provision/release", Program::Media),
];

/// A pass has left something: without it nothing starts another.
const LATE: &str = "provision/late";

/// Which file it is: a new one of the same name differs in this.
pub type Stamp = Option<(u64, i64, i64, u64)>;

/// What each program's last run began with.
#[derive(Debug, Default)]
pub struct Triggers {
    seen: BTreeMap<PathBuf, Stamp>,
}

impl Triggers {
    /// A run of the program begins: what is there now is what it looks at.
    pub fn begins(&mut self, program: Program) {
        for (tree, file, _) in TRIGGERS.iter().filter(|(_, _, triggered)| *triggered == program) {
            let path = Path::new(tree).join(file);
            let stamp = stamp(&path);
            self.seen.insert(path, stamp);
        }
    }

    /// Programs whose files have changed since their last run began, with the file's name.
    pub fn due(&self) -> Vec<(Program, &'static str)> {
        let mut due: Vec<(Program, &'static str)> = Vec::new();
        let is_left = is_something_left();
        for (tree, file, program) in TRIGGERS {
            if !is_left && *program == Program::ProvisionLate {
                continue;
            }
            let path = Path::new(tree).join(file);
            let now = stamp(&path);
            let before = self.seen.get(&path).copied().flatten();
            if now.is_some() && now != before && !due.iter().any(|(known, _)| known == program) {
                due.push((*program, file));
            }
        }
        due
    }
}

/// Has a pass of provisioning left something to the late one?
pub fn is_something_left() -> bool {
    Path::new(RUNTIME_PATH).join(LATE).exists()
}

/// What is there under this name now.
pub fn stamp(path: &Path) -> Stamp {
    // A file that isn't there triggers nothing.
    let meta = fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}

/// Folders to watch: the triggers', the flags', the commands'.
pub fn folders() -> Vec<PathBuf> {
    let lib = ["fetch", "certs", "ext", "ext/commands"].map(|folder| Path::new(STATE_PATH).join(folder));
    let run = ["certs", "media", "provision", "disk"].map(|folder| Path::new(RUNTIME_PATH).join(folder));
    lib.into_iter().chain(run).collect()
}
