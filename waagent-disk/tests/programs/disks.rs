//! Disks in the states that the decision table knows.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use waagent_support::run;
use waagent_support::{Loop, Machine, Run};

/// What most tests configure.
pub const CONFIGURATION: &str = "ResourceDisk.Format=y\nResourceDisk.Filesystem=ext4\n";
pub const MIB: u64 = 1 << 20;
/// Of a disk, where it doesn't matter.
pub const SIZE: u64 = 24 * MIB;

/// A machine with a resource disk on a loop device.
pub struct Bench {
    pub machine: Machine,
    pub disk: Loop,
}

impl Bench {
    /// With a blank disk.
    pub fn new() -> Self {
        Self::sized(SIZE)
    }

    pub fn sized(size: u64) -> Self {
        Self::on(Machine::new(), size, Loop::attach)
    }

    /// With a disk that may be swapped on without harm to this machine; `None`, and said so, where there can be none.
    pub fn for_swap(size: u64) -> Option<Self> {
        let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/lib/swap-place");
        let root = Run::of(&Command::new(tool).output().unwrap());
        if root.code != Some(0) {
            waagent_untested::not_tested(&format!("no place for swap: {}", root.err.trim()));
            return None;
        }
        Some(Self::on(Machine::new_in(Path::new(root.out.trim())), size, Loop::attach_direct))
    }

    fn on(machine: Machine, size: u64, attach: fn(&Path) -> Loop) -> Self {
        machine.configure(CONFIGURATION);
        let file = fs::File::create(machine.path("disk.img")).unwrap();
        file.set_len(size).unwrap();
        let disk = attach(&machine.path("disk.img"));
        Self { machine, disk }
    }

    /// `waagent-disk resource` on this disk.
    pub fn resource(&self, more: &[&str]) -> Run {
        self.machine.run("waagent-disk", &[&["resource", "--device", &self.disk.node], more].concat())
    }

    /// Shell commands in a mount namespace of their own, with `$P` the first partition, `$M` the mount point, `$D` the
    /// program with its arguments. What is mounted there is gone with it.
    pub fn shell(&self, script: &str) -> Run {
        let program = format!(
            "{} resource --device {} --root {}",
            env!("CARGO_BIN_EXE_waagent-disk"),
            self.disk.node,
            self.machine.dir.path().display()
        );
        let output = Command::new("unshare")
            .args(["--mount", "sh", "-euc", script])
            .env("P", self.partition())
            .env("M", self.machine.path("mnt/resource"))
            .env("D", program)
            .output()
            .unwrap();
        Run::of(&output)
    }

    pub fn partition(&self) -> String {
        format!("{}p1", self.disk.node)
    }

    pub fn body(&self) -> serde_json::Value {
        self.machine.document("var/lib/waagent/disk/resource.json")["body"].clone()
    }

    pub fn state(&self) -> String {
        self.body()["state"].as_str().unwrap().to_owned()
    }

    /// Disk and partitions have caches of their own, which stay as long as anybody (another test's `losetup`) has them open.
    fn flush(&self) {
        let nodes = [1, 2].map(|number| format!("{}p{number}", self.disk.node));
        for node in nodes.iter().filter(|node| fs::exists(node).unwrap()).chain([&self.disk.node]) {
            run("blockdev", &["--flushbufs", node]);
        }
    }

    /// Every byte of the disk, also what was written through a partition.
    pub fn bytes(&self) -> Vec<u8> {
        self.flush();
        fs::read(&self.disk.node).unwrap()
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) {
        // What a partition's cache has, a whole page of the disk's would undo.
        self.flush();
        let file = fs::OpenOptions::new().write(true).open(&self.disk.node).unwrap();
        file.write_all_at(bytes, offset).unwrap();
        file.sync_all().unwrap();
    }

    /// A table by sfdisk's script, known to the kernel.
    pub fn table(&self, script: &str) {
        let mut child = Command::new("sfdisk")
            .args(["--quiet", "--no-reread", "--no-tell-kernel", "--wipe=never", &self.disk.node])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
        run("partx", &["--add", &self.disk.node]);
    }

    /// As the platform gives a disk: one partition with NTFS of that label.
    pub fn platform(&self) {
        self.table("label: dos\nstart=2048, type=7\n");
        Self::ntfs(&self.partition(), "Temporary Storage");
    }

    pub fn ntfs(partition: &str, label: &str) {
        run("mkntfs", &["-F", "-Q", "-L", label, partition]);
    }

    /// Puts a file into the NTFS volume on the first partition.
    pub fn ntfs_file(&self, name: &str) {
        let source = self.machine.path("file");
        fs::write(&source, "some text").unwrap();
        run("ntfscp", &["-f", &self.partition(), source.to_str().unwrap(), name]);
    }

    /// The program leaves the disk alone, says this, and not a byte has changed.
    #[track_caller]
    pub fn is_left(&self, state: &str, why: &str) {
        let before = self.bytes();
        self.resource(&[]).says("left 'loop").says(why);
        assert_eq!(self.state(), state);
        assert!(self.bytes() == before, "the disk has changed");
        assert!(!self.machine.path("run/waagent/disk/mount").exists());
        assert!(!self.machine.path("var/lib/waagent/disk/journal.json").exists());
    }

    /// The program formats the disk because of this, and it mounts.
    #[track_caller]
    pub fn is_formatted(&self, why: &str) {
        self.resource(&[]).says("formatted 'loop").says(why);
        self.is_prepared("ext4");
    }

    #[track_caller]
    pub fn is_prepared(&self, file_system: &str) {
        let body = self.body();
        assert_eq!(
            (body["state"].as_str(), body["phase"].as_str()),
            (Some("prepared"), Some("prepared")),
            "{body:#}"
        );
        assert_eq!(body["filesystem"], file_system);
        assert_eq!(body["partition"]["node"].as_str(), Some(&*self.partition()));
        assert!(self.machine.path("run/waagent/disk/mount").exists());
        let probed = Command::new("blkid").args(["-p", "-o", "export", &self.partition()]).output().unwrap();
        let probed = String::from_utf8(probed.stdout).unwrap();
        assert!(probed.contains(&format!("\nTYPE={file_system}\n")), "{probed}");
        assert!(probed.to_lowercase().contains("label=waagenttemp"), "{probed}");
    }
}
