//! A machine with a platform: a network namespace with the real addresses, the fabric in it, the real gate, and the
//! fetcher as a user without rights.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use caps::CapsHashSet;
use tempfile::TempDir;
use waagent_common::documents::{Body, Document, Inputs, Transport, write};
use waagent_common::gate::protocol::Target;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::types::Thumbprint;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::identity::Identity;
use waagent_fabric::route::Route;
use waagent_fabric::scenario::{CertificateSpec, Scenario};
use waagent_support::network::{self, FETCHER, Running, as_user};
use waagent_support::program;
use waagent_support::transfer::Transfer;

pub struct Machine {
    pub fabric: Fabric,
    pub root: TempDir,
    _gate: Running,
    _transfer: Transfer,
}

/// Where storage is: of RFC 5737, 3.
const STORAGE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

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
        if !network::has_network_of_its_own() {
            return None;
        }
        // The gate lets the host's plugin be asked for no blob on the loopback.
        network::tell("ip", &["address", "add", &format!("{STORAGE}/32"), "dev", "lo"]);
        let storage = SocketAddr::from((STORAGE, 0));
        let options = Options {
            wire_server: network::platform(Target::WireServer),
            host_plugin: network::platform(Target::HostGaPlugin),
            storage_http: storage,
            storage_https: storage,
            ..Options::loopback()
        };
        let fabric = Fabric::start(Scenario::parse(scenario).unwrap(), &options).unwrap();
        let root = TempDir::new().unwrap();
        folders(root.path());
        fs::write(root.path().join("etc/waagent.conf"), configuration).unwrap();
        let socket = network::gate_socket(root.path());
        let mut gate = network::gate(&program("waagent-gate"), root.path(), &socket);
        let gate = Running(gate.stderr(Stdio::null()).spawn().unwrap());
        let transfer = Transfer::start(&program("waagent-transfer"), root.path(), &[]);
        Some(Self { fabric, root, _gate: gate, _transfer: transfer })
    }

    pub fn root(&self) -> Root {
        Root::new(self.root.path())
    }

    pub fn lib(&self, path: &str) -> PathBuf {
        self.root().state_path(path)
    }

    /// The fetcher, as its user and without a capability.
    pub fn fetcher(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-fetch"));
        command.arg("--root").arg(self.root.path()).args(arguments).env_clear();
        as_user(&mut command, FETCHER, CapsHashSet::new());
        command
    }

    /// One poll: exit status and what was said.
    pub fn once(&self) -> (i32, String) {
        said(&mut self.fetcher(&["--once"]))
    }

    /// One poll with 64 MiB of data (setrlimit(2), `RLIMIT_DATA`): more memory isn't to be had.
    pub fn frugal_once(&self) -> (i32, String) {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -d 65536 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_waagent-fetch")]);
        command.args(["--once", "--root"]).arg(self.root.path()).env_clear();
        as_user(&mut command, FETCHER, CapsHashSet::new());
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
        write(&self.root(), body, inputs, &Sandbox::unconfined()).unwrap();
    }

    /// A document that the fetcher wrote.
    pub fn document<T: Body>(&self) -> Document<T> {
        Document::read(&self.root()).unwrap()
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

fn toml_certificate() -> CertificateSpec {
    Scenario::parse("[[certificate]]\nname = \"x\"").unwrap().certificate.remove(0)
}

fn folders(root: &Path) {
    network::has_fetcher(root, "Extensions.GoalStatePeriod=1\n");
    for folder in ["net", "certs", "ext", "provision", "fetch/private", "fetch/failed", "fetch/packages"] {
        fs::create_dir_all(root.join("var/lib/waagent").join(folder)).unwrap();
    }
    // What is put there is the fetcher's to read from its first moment on: it looks as soon as the file has its name.
    for other in ["net", "certs", "ext", "provision"] {
        let folder = root.join("var/lib/waagent").join(other);
        chown(&folder, None, Some(FETCHER)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o2755)).unwrap();
    }
    for folder in ["run/waagent/gate", "run/waagent/fetch"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for own in ["var/lib/waagent/fetch", "run/waagent/fetch"] {
        own_all(&root.join(own));
    }
}

fn own_all(folder: &Path) {
    chown(folder, Some(FETCHER), Some(FETCHER)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        own_all(&entry.unwrap().path());
    }
}

pub fn said(command: &mut Command) -> (i32, String) {
    network::said(&command.output().unwrap())
}
