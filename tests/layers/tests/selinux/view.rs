//! The guest's base with its own policy tools, writable for a while.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use waagent_layers::{Said, repository, tool};

/// A mount namespace with an overlay over the base. It ends with its process, whose standard input this one holds.
#[derive(Debug)]
pub struct View {
    holder: Child,
    pub base: PathBuf,
}

/// Stays in the namespace until its standard input is closed. `/machine` is a file system of its own: an overlay shows
/// files as if they were on another device than their folders, and setfiles leaves those out.
const HOLD: &str = r#"
set -e
view=/mnt
mount -t tmpfs tmpfs "$view"
mkdir "$view/upper" "$view/work" "$view/root"
mount -t overlay -o "lowerdir=$1/root,upperdir=$view/upper,workdir=$view/work" overlay "$view/root"
mount -t proc proc "$view/root/proc"
mkdir "$view/root/machine"
mount -t tmpfs tmpfs "$view/root/machine"
echo ready
exec chroot "$view/root" /bin/cat
"#;

impl View {
    pub fn new() -> Result<Self, String> {
        let base =
            std::env::var_os("VM_BASE").map_or_else(|| repository().join("target/vm/base"), PathBuf::from);
        let has_base = std::fs::read_dir(&base).is_ok_and(|mut entries| {
            entries
                .any(|entry| entry.is_ok_and(|it| it.file_name().to_string_lossy().starts_with("complete-")))
        });
        if !has_base {
            return Err(format!(
                "the guest's base isn't in {0}; 'tests/vm/make-base {0}' makes it",
                base.display()
            ));
        }
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", HOLD, "sh"])
            .arg(&base)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "no view of the guest's file system");
        Ok(Self { holder, base })
    }

    /// Runs a tool of the guest's.
    pub fn inside(&self, words: &[&str]) -> Said {
        let target = self.holder.id().to_string();
        tool(&[&["nsenter", "--target", &target, "--mount", "--root", "--wd"], words].concat())
    }

    /// What a tool of the guest's says that must work.
    pub fn said(&self, words: &[&str]) -> String {
        let said = self.inside(words);
        assert!(said.is_success, "{words:?}: {}", said.all);
        said.output
    }

    /// A path of the guest's, from outside.
    pub fn path(&self, path: &str) -> PathBuf {
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(path.trim_start_matches('/'))
    }
}
