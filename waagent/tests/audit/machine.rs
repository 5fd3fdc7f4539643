//! A machine in a folder: the real units, tables and declarations; accounts, a process and documents as they would be.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use waagent_audit::programs::PROGRAMS;

/// The machine, which goes when it is dropped.
pub struct Machine(tempfile::TempDir);

const ACCOUNTS: [(&str, u32); 7] = [
    ("root", 0),
    ("adm", 4),
    ("waagent", 61000),
    ("waagent-net", 61001),
    ("waagent-fetch", 61002),
    ("waagent-certs", 61003),
    ("waagent-media", 61004),
];

impl Machine {
    pub fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.accounts();
        machine.programs();
        machine.units();
        machine.folders();
        machine.running();
        machine.documents();
        machine.write("sys/fs/selinux/enforce", "1", 0o644);
        machine.write("usr/sbin/waagent", "", 0o755);
        fs::create_dir_all(machine.path("usr/share/waagent")).unwrap();
        // Last: what it lists is as installed.
        run(Command::new(repository().join("packaging/manifest")).arg(machine.0.path()));
        machine
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Exit status and standard output of `waagent audit`.
    pub fn audit(&self, words: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_waagent"))
            .args(["audit", "--root"])
            .arg(self.0.path())
            .args(words)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }

    /// Changes what systemctl says of a unit.
    pub fn property(&self, unit: &str, name: &str, value: &str) {
        let path = self.path("shown").join(unit);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}");
        let lines = text.lines().map(|line| {
            if line.starts_with(&format!("{name}=")) { format!("{name}={value}") } else { line.to_owned() }
        });
        fs::write(path, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    }

    /// Changes what the kernel says of the fetcher's process.
    pub fn process(&self, field: &str, value: &str) {
        let path = self.path("proc/77/status");
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| {
            if line.starts_with(&format!("{field}:")) {
                format!("{field}:\t{value}")
            } else {
                line.to_owned()
            }
        });
        fs::write(path, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
    }

    fn write(&self, below: &str, text: &str, mode: u32) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn accounts(&self) {
        let passwd: String =
            ACCOUNTS.iter().map(|(name, id)| format!("{name}:x:{id}:{id}::/:/bin/false\n")).collect();
        let group: String = ACCOUNTS.iter().map(|(name, id)| format!("{name}:x:{id}:\n")).collect();
        self.write("etc/passwd", &passwd, 0o644);
        self.write("etc/group", &group, 0o644);
    }

    /// Each answers `--policy` with its real declaration.
    fn programs(&self) {
        for policy in PROGRAMS.iter().filter_map(|program| program.policy) {
            let text = format!("#!/bin/sh\ncat <<'END'\n{}\nEND\nexit\n", policy.to_json());
            let path = format!("usr/libexec/waagent/{}", policy.program);
            self.write(&path, &text, 0o755);
        }
    }

    /// The real units, and a systemctl that says of each what systemd would of the unit alone.
    fn units(&self) {
        run(Command::new("cp")
            .arg("-r")
            .arg(repository().join("systemd/."))
            .arg(self.folder("usr/lib/systemd/system")));
        fs::create_dir_all(self.path("run/systemd/system")).unwrap();
        let shown = self.folder("shown");
        for entry in fs::read_dir(self.path("usr/lib/systemd/system")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.extension().is_some_and(|ending| ending == "service") {
                fs::write(shown.join(name.replace("@.", "@audit.")), as_shown(&path, &name)).unwrap();
            }
        }
        let script = format!("#!/bin/sh\ncat '{}'/\"$3\"\n", shown.display());
        self.write("usr/bin/systemctl", &script, 0o755);
    }

    fn folder(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// What tmpfiles would make.
    fn folders(&self) {
        let text = fs::read_to_string(repository().join("systemd/waagent.tmpfiles.conf")).unwrap();
        self.write("usr/lib/tmpfiles.d/waagent.conf", &text, 0o644);
        self.folder("var/log");
        let id = |name: &str| ACCOUNTS.iter().find(|(known, _)| *known == name).map(|(_, id)| *id);
        for line in text.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [kind @ ("d" | "f"), path, mode, user, group] = fields.as_slice() else { continue };
            let path = self.path(path.trim_start_matches('/'));
            if *kind == "d" {
                fs::create_dir_all(&path).unwrap();
            } else {
                OpenOptions::new().create(true).append(true).mode(0o600).open(&path).unwrap();
            }
            chown(&path, id(user), id(group)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap()))
                .unwrap();
        }
    }

    /// The fetcher, as proc_pid_status(5) shows it.
    fn running(&self) {
        let status = "Name:\twaagent-fetch\nUid:\t61002\t61002\t61002\t61002\nGid:\t61002\t61002\t61002\t61002\n\
            Groups:\t61000 61002\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
            CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        self.write("proc/77/status", status, 0o444);
        self.write("proc/77/attr/current", "system_u:system_r:waagent_fetch_t:s0\0", 0o666);
        symlink("/usr/libexec/waagent/waagent-fetch", self.path("proc/77/exe")).unwrap();
        symlink("/usr/bin/true", self.folder("proc/1").join("exe")).unwrap();
    }

    /// A document of waagent-net and of waagent-fetch, and a key.
    fn documents(&self) {
        for (program, path, id) in [
            ("waagent-net", "var/lib/waagent/net/endpoint.json", 61001),
            ("waagent-fetch", "var/lib/waagent/fetch/health.json", 61002),
        ] {
            let domain = program.replace('-', "_");
            let text = format!(
                r#"{{ "schema": "waagent/x/1", "written_by": "{program}", "written_at": "2026-01-31T08:00:00Z",
                "inputs": {{}}, "sandbox": {{ "uid": {id}, "capabilities": [], "bounding": [], "no_new_privs": true,
                "landlock": "enforced, ABI 6", "seccomp": "enforced, 84 system calls",
                "selinux": "system_u:system_r:{domain}_t:s0" }}, "body": {{}} }}"#
            );
            self.write(path, &text, 0o640);
            chown(self.path(path), Some(id), Some(61000)).unwrap();
        }
        let key = "var/lib/waagent/certs/TransportPrivate.pem";
        self.write(key, "", 0o400);
        chown(self.path(key), Some(61003), Some(61003)).unwrap();
    }
}

/// A unit's file in the spelling of `systemctl show`.
fn as_shown(path: &Path, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = vec![
        "LoadState=loaded".to_owned(),
        "DropInPaths=".to_owned(),
        format!("FragmentPath=/usr/lib/systemd/system/{name}"),
        "SystemCallFilter=read write open landlock_restrict_self".to_owned(),
    ];
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        lines.push(match key {
            "CapabilityBoundingSet" | "AmbientCapabilities" => format!("{key}={}", value.to_lowercase()),
            "RestrictAddressFamilies" => format!("{key}={}", value.replace("none", "")),
            "IPAddressDeny" => format!("{key}={}", value.replace("any", "::/0 0.0.0.0/0")),
            "MemoryMax" => {
                let number: u64 = value.trim_end_matches('M').parse().unwrap();
                format!("{key}={}", number << 20)
            }
            "ExecStart" => {
                let value = value.replace("%i", "audit");
                let program = value.split(' ').next().unwrap();
                format!("{key}={{ path={program} ; argv[]={value} ; ignore_errors=no ; pid=0 }}")
            }
            "User" if value == "root" => format!("{key}="),
            "SystemCallFilter" => continue,
            _ => format!("{key}={value}"),
        });
    }
    lines.join("\n") + "\n"
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
