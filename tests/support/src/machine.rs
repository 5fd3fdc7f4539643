//! A scratch root with the agent's folders, and loop devices.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use waagent_common::documents::{
    Inputs, ProvisionOutcome, ProvisionState, ProvisionStatus, ProvisioningAgent, write,
};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::program as program_of;

/// A scratch root.
pub struct Machine {
    pub dir: tempfile::TempDir,
}

impl Machine {
    pub fn new() -> Self {
        Self::new_in(&std::env::temp_dir())
    }

    pub fn new_in(folder: &Path) -> Self {
        let machine = Self { dir: tempfile::tempdir_in(folder).unwrap() };
        for folder in [
            "var/lib/waagent/disk",
            "var/lib/waagent/provision",
            "run/waagent/media",
            "run/waagent/disk",
            "run/waagent/provision",
            "mnt/resource",
            "etc",
        ] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        machine.configure("Provisioning.Agent=waagent\n");
        machine
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn root(&self) -> Root {
        Root::new(self.dir.path())
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.path("etc/waagent.conf"), text).unwrap();
    }

    /// Runs a program with `--root`.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Run {
        let output = self.command(program, arguments).output().unwrap();
        Run::of(&output)
    }

    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program_of(program));
        command.args(arguments).arg("--root").arg(self.dir.path());
        command
    }

    /// The child in which a killed program did its work ends with it, but not in the same moment.
    pub fn wait_for_the_lock(&self, folder: &str) {
        let Ok(file) = fs::File::open(self.path(&format!("run/waagent/{folder}/lock"))) else { return };
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusive).unwrap();
    }

    /// A document's whole text as JSON.
    pub fn document(&self, below: &str) -> Value {
        let text = fs::read_to_string(self.path(below)).unwrap_or_else(|e| panic!("{below}: {e}"));
        serde_json::from_str(&text).unwrap()
    }

    pub fn mode(&self, below: &str) -> u32 {
        fs::metadata(self.path(below)).unwrap().permissions().mode() & 0o7777
    }

    /// What waagent-provision leaves at its end.
    pub fn provisioned_as(&self, state: ProvisionState) {
        write(&self.root(), &provisioned(state), &Inputs::new(), &Sandbox::unconfined()).unwrap();
        if state == ProvisionState::Ready {
            fs::write(self.path("var/lib/waagent/provisioned"), "").unwrap();
        }
        fs::write(self.path("run/waagent/provision/release"), "provisioning has finished\n").unwrap();
    }

    /// Every file below the root with its content and inode: two snapshots are equal if nothing was written.
    pub fn snapshot(&self) -> Vec<(PathBuf, u64, Vec<u8>)> {
        use std::os::unix::fs::MetadataExt;
        let mut files = Vec::new();
        let mut folders = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let meta = entry.metadata().unwrap();
                if meta.is_dir() {
                    folders.push(entry.path());
                } else {
                    files.push((entry.path(), meta.ino(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        files.sort();
        files
    }
}

/// What waagent-provision says at its end.
pub fn provisioned(state: ProvisionState) -> ProvisionStatus {
    ProvisionStatus {
        state,
        description: String::new(),
        vm_id: String::new(),
        ssh_host_key_fingerprint: None,
        outcome: ProvisionOutcome::Done,
        agent: ProvisioningAgent::Waagent,
        instance_id: String::new(),
        reason: None,
        errors: Vec::new(),
        steps: Vec::new(),
        host_keys: Vec::new(),
        hostname: None,
        user: None,
        warnings: Vec::new(),
        waits_for: Vec::new(),
        uptime_s: 1,
    }
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub err: String,
    pub out: String,
}

impl Run {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
        }
    }

    /// It succeeded and said this.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.code == Some(0) && self.err.contains(text), "expected 0 and '{text}': {self:#?}");
        self
    }

    /// It failed with this status and said this.
    #[track_caller]
    pub fn refuses(&self, code: i32, text: &str) -> &Self {
        assert!(
            self.code == Some(code) && self.err.contains(text),
            "expected {code} and '{text}': {self:#?}"
        );
        self
    }
}

/// A loop device; detached when it is dropped, also by a panic.
pub struct Loop {
    pub node: String,
}

impl Loop {
    /// Attaches a file. `losetup --find` and the attaching are two steps of the tool: a test that runs at the same time
    /// may take the device in between, so it is tried again.
    pub fn attach(file: &Path) -> Self {
        Self::attach_with(file, &["--find", "--show"])
    }

    /// Past the page cache, as swap needs it.
    pub fn attach_direct(file: &Path) -> Self {
        Self::attach_with(file, &["--find", "--show", "--direct-io=on"])
    }

    pub fn attach_read_only(file: &Path) -> Self {
        Self::attach_with(file, &["--find", "--show", "--read-only"])
    }

    fn attach_with(file: &Path, options: &[&str]) -> Self {
        for _ in 0..50 {
            let output = Command::new("losetup").args(options).arg(file).output().unwrap();
            if output.status.success() {
                let node = String::from_utf8(output.stdout).unwrap().trim().to_owned();
                // Those of whoever had the device before, and was killed.
                let _none = Command::new("partx").args(["--delete", &node]).output();
                return Self { node };
            }
        }
        panic!("no loop device for {}", file.display());
    }

    /// `7:N`.
    pub fn number(&self) -> String {
        format!("7:{}", self.node.trim_start_matches("/dev/loop"))
    }

    pub fn name(&self) -> &str {
        self.node.trim_start_matches("/dev/")
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // Partitions that were added by number stay with the device unless they are removed.
        let _none = Command::new("partx").args(["--delete", &self.node]).output();
        let _detached = Command::new("losetup").args(["--detach", &self.node]).output();
    }
}

/// Runs a tool that must be there and must succeed.
pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
