//! The machine that is looked at: this one, or the tree below a folder.

use std::path::{Path, PathBuf};

use waagent_common::root::Root;
use waagent_common::tool::Tool;

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The agent's own files.
    pub root: Root,
}

impl Machine {
    /// The machine below `/`, or another root.
    pub fn new(root: &Path) -> Self {
        Self { root: Root::new(root) }
    }

    /// Any absolute path below the root, those of the system too.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.root().join(absolute.trim_start_matches('/'))
    }

    /// A tool of the machine, if it has it.
    pub fn tool(&self, absolute: &str) -> Option<Tool> {
        let path = self.path(absolute);
        path.exists().then(|| Tool::new(path.to_string_lossy().into_owned()))
    }

    /// Does systemd run here? See sd_booted(3).
    pub fn has_systemd(&self) -> bool {
        self.path("/run/systemd/system").is_dir()
    }

    /// Is SELinux on, and does it enforce? None where it is off.
    pub fn enforces(&self) -> Option<bool> {
        let value = std::fs::read(self.path("/sys/fs/selinux/enforce")).ok()?;
        Some(value.starts_with(b"1"))
    }
}

/// Where the programs are installed.
pub const PROGRAMS: &str = "/usr/libexec/waagent";
/// Where the units are installed.
pub const UNITS: &str = "/usr/lib/systemd/system";
