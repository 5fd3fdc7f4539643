//! A machine with a platform: a network namespace with the real addresses, the fabric in it, the real gate, and the
//! fetcher as a user without rights.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use caps::CapsHashSet;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use tempfile::TempDir;
use waagent_common::documents::{Body, Document, Inputs, Transport, write};
use waagent_common::place::Place;
use waagent_common::sandbox::Sandbox;
use waagent_common::sys::spawn::{Identity as User, set_identity};
use waagent_common::types::Thumbprint;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::identity::Identity;
use waagent_fabric::route::Route;
use waagent_fabric::scenario::{CertificateSpec, Scenario};

pub const FETCHER: u32 = 64000;

pub struct Machine {
    pub fabric: Fabric,
    pub root: TempDir,
    gate: Child,
}

/// One extension, one certificate, a status blob with a signature.
pub const SCENARIO: &str = r#"
    [storage]
    signature = "CANARY-SAS"
    [[certificate]]
    name = "TenantEncryptionCert"
    [[package]]
    id = "trivial"
    script = "run.sh"
    files = { "run.sh" = "exit 0" }
    [[extension]]
    name = "Test.One"
    version = "1.0.0"
    package = "trivial"
    settings = { seq_no = 3, public = { a = 1 }, protected = { s = "CANARY-PROTECTED" }, certificate = "TenantEncryptionCert" }
"#;

impl Machine {
    /// None, and said so, where the test doesn't run as root.
    pub fn new(scenario: &str) -> Option<Self> {
        Self::configured(scenario, "Extensions.GoalStatePeriod=1\n")
    }

    /// With this configuration, which is there before the gate is: the gate ends when it changes, and nobody here would
    /// start it again.
    pub fn configured(scenario: &str, configuration: &str) -> Option<Self> {
        if !waagent_untested::is_root("for a network namespace") {
            return None;
        }
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        for address in ["168.63.129.16/32", "169.254.169.254/32"] {
            run("ip", &["address", "add", address, "dev", "lo"]);
        }
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let options = Options {
            wire_server: address("168.63.129.16:80"),
            host_plugin: address("168.63.129.16:32526"),
            imds: address("169.254.169.254:80"),
            ..Options::loopback()
        };
        let fabric = Fabric::start(Scenario::parse(scenario).unwrap(), &options).unwrap();
        let root = TempDir::new().unwrap();
        folders(root.path());
        fs::write(root.path().join("etc/waagent.conf"), configuration).unwrap();
        let gate = gate(root.path());
        Some(Self { fabric, root, gate })
    }

    pub fn place(&self) -> Place {
        Place::new(self.root.path())
    }

    pub fn lib(&self, path: &str) -> PathBuf {
        self.place().lib(path)
    }

    /// The fetcher, as its user and without a capability.
    pub fn fetcher(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-fetch"));
        command.arg("--root").arg(self.root.path()).args(arguments).env_clear();
        as_user(&mut command, FETCHER);
        command
    }

    /// One round: exit status and what was said.
    pub fn once(&self) -> (i32, String) {
        said(&mut self.fetcher(&["--once"]))
    }

    /// One round with 64 MiB of data (setrlimit(2), `RLIMIT_DATA`): more memory isn't to be had.
    pub fn frugal_once(&self) -> (i32, String) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -d 65536 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_waagent-fetch")]);
        command.args(["--once", "--root"]).arg(self.root.path()).env_clear();
        as_user(&mut command, FETCHER);
        said(&mut command)
    }

    /// A transport certificate, as waagent-certs makes it.
    pub fn transport(&self) -> Identity {
        let spec = CertificateSpec { name: "LinuxTransport".to_owned(), ..toml_certificate() };
        let identity = Identity::new(&spec).unwrap();
        let transport = Transport {
            certificate_der_base64: STANDARD.encode(identity.certificate.to_der().unwrap()),
            thumbprint: Thumbprint::try_from(identity.thumbprint().unwrap()).unwrap(),
            not_after: "2030-01-01T00:00:00Z".to_owned(),
            generation: 1,
        };
        self.put(&transport, &Inputs::new());
        identity
    }

    /// A document of another program.
    pub fn put<T: Body>(&self, body: &T, inputs: &Inputs) {
        write(&self.place(), body, inputs, &Sandbox::unconfined()).unwrap();
    }

    /// A document that the fetcher wrote.
    pub fn document<T: Body>(&self) -> Document<T> {
        Document::read(&self.place()).unwrap()
    }

    /// The same fault for every request of a route.
    pub fn break_route(&self, route: Route, act: Act) {
        self.fault(route, 0, act);
    }

    /// A fault for so many requests of a route; 0 is all.
    pub fn fault(&self, route: Route, count: u64, act: Act) {
        self.fabric.set_faults(vec![Fault { route: Some(route), path: None, after: 0, count, act }]);
    }

    /// The platform is in order again.
    pub fn repair(&self) {
        self.fabric.set_faults(Vec::new());
    }

    pub fn count(&self, route: Route) -> u64 {
        self.fabric.record().count(route)
    }

    /// Which files there are below `fetch/`, and which ones they are: a file that is written again is another one.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut files = Vec::new();
        let mut folders = vec![self.lib("fetch")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path, meta.ino()));
                }
            }
        }
        files.sort();
        files
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.gate.kill();
        self.gate.wait().unwrap();
    }
}

fn toml_certificate() -> CertificateSpec {
    Scenario::parse("[[certificate]]\nname = \"x\"").unwrap().certificate.remove(0)
}

fn folders(root: &Path) {
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    for folder in ["net", "certs", "ext", "provision", "fetch/private", "fetch/failed", "fetch/packages"] {
        fs::create_dir_all(root.join("var/lib/waagent").join(folder)).unwrap();
    }
    // What is put there is the fetcher's to read from its first moment on: it looks as soon as the file has its name.
    for other in ["net", "certs", "ext", "provision"] {
        let folder = root.join("var/lib/waagent").join(other);
        chown(&folder, None, Some(FETCHER)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o2755)).unwrap();
    }
    for folder in ["run/waagent/gate", "run/waagent/fetch", "etc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for own in ["var/lib/waagent/fetch", "run/waagent/fetch"] {
        own_all(&root.join(own));
    }
    let users = format!("root:x:0:0::/:/bin/sh\nwaagent-fetch:x:{FETCHER}:{FETCHER}::/:/bin/false\n");
    fs::write(root.join("etc/passwd"), users).unwrap();
}

fn own_all(folder: &Path) {
    chown(folder, Some(FETCHER), Some(FETCHER)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        own_all(&entry.unwrap().path());
    }
}

fn gate(root: &Path) -> Child {
    let path = root.join("run/waagent/gate/gate.sock");
    let listener: OwnedFd =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&listener, Backlog::new(64).unwrap()).unwrap();
    chown(&path, Some(0), Some(FETCHER)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
    command.arg(waagent_support::program("waagent-gate")).arg("--root").arg(root);
    command.stdin(Stdio::from(listener)).stderr(Stdio::null());
    as_user(&mut command, 0);
    command.spawn().unwrap()
}

fn as_user(command: &mut Command, uid: u32) {
    let user = User {
        uid,
        gid: uid,
        groups: Vec::new(),
        capabilities: Some(CapsHashSet::new()),
        umask: 0o027,
        no_new_privs: true,
        session: false,
    };
    set_identity(command, user);
}

pub fn said(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

pub fn run(program: &str, arguments: &[&str]) {
    let (code, text) = said(Command::new(program).args(arguments));
    assert_eq!(code, 0, "{program} {arguments:?}: {text}");
}
