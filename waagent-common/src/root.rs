//! Where the agent's files are: below `/`, or below the folder that `--root` names.

use std::path::{Path, PathBuf};

/// Trees that belong to the running system, not to the image: `--root` doesn't move them.
const SYSTEM: &[&str] = &["/usr", "/lib", "/lib64", "/bin", "/sbin", "/dev", "/proc", "/sys"];

/// What the agent's own package brings there belongs to the image.
const OURS: &str = "/usr/share/waagent";

/// The folder that all paths of the agent are below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    root: PathBuf,
}

impl Root {
    /// `/` for the running machine, another folder for a scratch copy.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// Is this the running machine itself?
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Is SELinux on, for the tree that we work in?
    pub fn is_labelled(&self) -> bool {
        self.is_live() && Path::new("/sys/fs/selinux/enforce").exists()
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// An absolute path of the agent, below the root.
    ///
    /// `/usr` (but for the agent's own data), `/dev`, `/proc` and `/sys` stay what they are.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        let is_system = SYSTEM.iter().any(|tree| absolute.starts_with(tree)) && !absolute.starts_with(OURS);
        if self.is_live() || is_system {
            return absolute.to_path_buf();
        }
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// A path below `/var/lib/waagent`.
    pub fn state_path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path(Path::new(STATE_PATH).join(below))
    }

    /// A path below `/run/waagent`.
    pub fn runtime_path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.path(Path::new(RUNTIME_PATH).join(below))
    }
}

/// The agent's state. Fixed: extensions and other tools hard-code it.
pub const STATE_PATH: &str = "/var/lib/waagent";
/// The agent's state until the next boot.
pub const RUNTIME_PATH: &str = "/run/waagent";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_the_agents_paths_and_leaves_the_systems() {
        let root = Root::new(Path::new("/tmp/x"));
        assert_eq!(
            root.state_path("net/endpoint.json"),
            Path::new("/tmp/x/var/lib/waagent/net/endpoint.json")
        );
        assert_eq!(root.path("/proc/self/status"), Path::new("/proc/self/status"));
        assert_eq!(root.path("/usr/share/waagent/x"), Path::new("/tmp/x/usr/share/waagent/x"));
        assert_eq!(root.path("/usr/share/x"), Path::new("/usr/share/x"));
        assert_eq!(Root::new(Path::new("/")).runtime_path("net/lock"), Path::new("/run/waagent/net/lock"));
    }
}
