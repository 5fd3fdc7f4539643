//! A stand for the transfer half: a fabric, a scratch root, and a stand-in for the gate.
//!
//! The real gate knows two ports of one address; the fabric of a test has others. So a thread here listens on the
//! gate's socket, speaks its protocol, and connects to the fabric.
#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    dead_code,
    reason = "test tooling: it may say what it means"
)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use waagent_common::documents::{
    BlobKind, Body, Document, ExtensionStatus, ExtensionUris, GoalState, Inputs, Package, StatusBlob, Uris,
    Wanted, write,
};
use waagent_common::gate::protocol::{Answer, SOCKET, Target};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::route::Route;
use waagent_fabric::scenario::Scenario;
use waagent_fetch::http::Client;
use waagent_fetch::packages::Work;
use waagent_fetch::retry::Pause;
use waagent_fetch::transfer_settings::Settings;
use waagent_support::program;
use waagent_support::transfer::Transfer;

/// A running stand.
pub struct Stand {
    /// The platform.
    pub fabric: Fabric,
    /// Where everything is.
    pub root: Root,
    /// To the platform.
    pub client: Client,
    /// May be changed by the test.
    pub settings: Settings,
    /// For documents.
    pub sandbox: Sandbox,
    /// The way to storage.
    pub transfer: Transfer,
    _folder: TempDir,
}

/// Waits for nothing, and notes how long it was told to.
#[derive(Debug, Default)]
pub struct NoWait {
    /// In order.
    pub waited: Vec<Duration>,
}

impl Pause for NoWait {
    fn pause(&mut self, time: Duration) -> bool {
        self.waited.push(time);
        true
    }

    fn random(&mut self, _: u32) -> u32 {
        0
    }
}

/// Two handlers with packages, one without; storage in clear unless `scheme` says otherwise.
pub fn scenario(scheme: &str, blob: &str) -> Scenario {
    let text = format!(
        r#"
        [goal_state]
        status_blob = "{blob}"
        [storage]
        scheme = "{scheme}"
        signature = "CANARY-SAS"
        [[package]]
        id = "trivial"
        script = "run.sh"
        files = {{ "run.sh" = "exit 0" }}
        [[extension]]
        name = "Test.One"
        version = "1.0.0"
        package = "trivial"
        [[extension]]
        name = "Test.Two"
        version = "2.1.3"
        package = "trivial"
        [[extension]]
        name = "Test.Missing"
        version = "3.0.0"
        "#
    );
    Scenario::parse(&text).unwrap()
}

impl Stand {
    /// With the scenario above.
    pub fn new(scheme: &str, blob: &str) -> Self {
        Self::with(scenario(scheme, blob), &Options::loopback())
    }

    /// With any scenario.
    pub fn with(scenario: Scenario, options: &Options) -> Self {
        let fabric = Fabric::start(scenario, options).unwrap();
        let scratch = tempfile::tempdir().unwrap();
        for folder in ["ext", "fetch/packages", "fetch/private", "provision"] {
            std::fs::create_dir_all(scratch.path().join("var/lib/waagent").join(folder)).unwrap();
        }
        std::fs::create_dir_all(scratch.path().join("run/waagent/gate")).unwrap();
        let root = Root::new(scratch.path());
        gate(&root.runtime_path(SOCKET), fabric.addresses().wire_server, fabric.addresses().host_plugin);
        let settings = Settings { allow_http: true, max_package: 1 << 30 };
        let client = Client::new(&root, Ipv4Addr::LOCALHOST);
        let sandbox = Sandbox::unconfined();
        let transfer = transfer(root.root());
        let stand = Self { fabric, root, client, settings, sandbox, transfer, _folder: scratch };
        stand.publish();
        stand
    }

    /// Writes the documents of the fabric's goal state, as the poll loop would.
    pub fn publish(&self) {
        let (storage, container_id, config_name, blob) = self.fabric.look(|platform| {
            let blob = format!("{:?}", platform.scenario.goal_state.status_blob);
            (platform.storage.clone(), platform.goal.container_id.clone(), platform.config_name(), blob)
        });
        let names: Vec<(String, String)> = self.fabric.look(|platform| {
            platform
                .goal
                .revision
                .extensions
                .iter()
                .map(|e| (e.spec.name.clone(), e.spec.version.clone()))
                .collect()
        });
        let extension = |(name, version): &(String, String)| {
            json!({
                "name": name, "version": version, "state": "enabled", "encoded_signature": "c2ln", "multi_config": false,
                "error": null, "settings": [],
            })
        };
        let goal_state = json!({
            "id": "incarnation_1", "source": "fabric", "created_on": "2026-01-01T00:00:00.000000Z", "outdated": false,
            "incarnation": "1", "etag": null, "container_id": container_id, "instance_id": "i", "config_name": config_name,
            "vm_name": null, "tenant_certificate": null, "certificates_sha256": null, "required_features": [],
            "on_hold": false, "agent_families": [], "extensions": names.iter().map(extension).collect::<Vec<Value>>(),
            "activity_id": "a", "correlation_id": "c", "svd_sequence_number": 1, "own_instance": null,
        });
        let manifests = |name: &str| {
            vec![
                storage.public_uri(&format!("/manifests/{name}.xml?sig=CANARY-MANIFEST")),
                storage.public_uri(&format!("/failover/{name}.xml?sig=CANARY-MANIFEST")),
            ]
        };
        let kind = if blob == "PageBlob" { BlobKind::Page } else { BlobKind::Block };
        let uris = Uris {
            goal_state_id: "incarnation_1".to_owned(),
            status_blob: Some(StatusBlob { uri: storage.sas_uri(&storage.status_path), kind }),
            profile: None,
            extensions: names
                .iter()
                .map(|(name, version)| ExtensionUris {
                    name: name.as_str().try_into().unwrap(),
                    version: version.as_str().try_into().unwrap(),
                    manifests: manifests(name),
                })
                .collect(),
        };
        self.write(&uris);
        self.write::<GoalState>(&serde_json::from_value(goal_state).unwrap());
    }

    /// Asks for packages, as waagent-ext would.
    pub fn want(&self, packages: &[(&str, &str, u32)]) {
        let packages: Vec<Value> = packages
            .iter()
            .map(|(name, version, attempt)| json!({"name": name, "version": version, "attempt": attempt}))
            .collect();
        let wanted = json!({"goal_state_id": "incarnation_1", "packages": packages});
        self.write::<Wanted>(&serde_json::from_value(wanted).unwrap());
    }

    /// Reports handlers, as waagent-ext would.
    pub fn report(&self, handlers: Vec<Value>) {
        self.write(&ExtensionStatus {
            goal_state_id: Some("incarnation_1".to_owned()),
            complete: true,
            handlers,
            goal_state_aggregate: Some(json!({"status": "Success", "code": 0, "inSvdSeqNo": "1"})),
            left_over: Vec::new(),
        });
    }

    /// Writes any document at its place.
    pub fn write<T: Body>(&self, body: &T) {
        write(&self.root, body, &Inputs::new(), &self.sandbox).unwrap();
    }

    /// What the download code takes.
    pub fn work(&self) -> Work<'_> {
        Work { root: &self.root, sandbox: &self.sandbox, client: &self.client, settings: &self.settings }
    }

    /// The document of a package.
    pub fn package(&self, stem: &str) -> Package {
        let path = self.packages().join(format!("{stem}.json"));
        Document::<Package>::read_at(&self.root, &path).unwrap().body
    }

    /// The folder of packages.
    pub fn packages(&self) -> PathBuf {
        self.root.state_path("fetch/packages")
    }

    /// What is in it, sorted.
    pub fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.packages()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The same fault on each of these routes, for ever.
    pub fn break_routes(&self, routes: &[Route], act: &Act) {
        let fault =
            |route: &Route| Fault { route: Some(*route), path: None, after: 0, count: 0, act: act.clone() };
        self.fabric.set_faults(routes.iter().map(fault).collect());
    }

    /// How often a route was asked.
    pub fn count(&self, route: Route) -> u64 {
        self.fabric.record().count(route)
    }

    /// All that was written below the root but the private folder, as text, names included.
    pub fn everything(&self) -> String {
        let mut text = String::new();
        let mut folders = vec![self.root.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                text.push_str(&format!("{}\n", path.display()));
                if path.is_dir() && !path.ends_with("fetch/private") {
                    folders.push(path);
                } else if path.is_file() {
                    text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
                }
            }
        }
        text
    }
}

/// The real one, which storage may be asked by in clear.
fn transfer(root: &Path) -> Transfer {
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/waagent.conf"), "OS.AllowHTTP=y\n").unwrap();
    Transfer::start(&program("waagent-transfer"), root, &[])
}

/// Serves the gate's socket for as long as the process lives.
fn gate(path: &Path, wire_server: SocketAddr, host_plugin: SocketAddr) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        while let Ok((peer, _)) = listener.accept() {
            std::thread::spawn(move || serve(peer, wire_server, host_plugin));
        }
    });
}

/// Lets everything pass. A peer that goes away before its byte, or in the middle, is no fault of the stand's.
fn serve(mut peer: UnixStream, wire_server: SocketAddr, host_plugin: SocketAddr) {
    let mut byte = [0];
    if peer.read_exact(&mut byte).is_err() {
        return;
    }
    let address = match Target::from_byte(byte[0]).unwrap() {
        Target::WireServer => wire_server,
        Target::HostGaPlugin => host_plugin,
    };
    let Ok(mut platform) = TcpStream::connect(address) else {
        let _gone = peer.write_all(&[Answer::Refused.byte()]);
        return;
    };
    if peer.write_all(&[Answer::Connected.byte()]).is_err() {
        return;
    }
    let (mut asked, mut asking) = (platform.try_clone().unwrap(), peer.try_clone().unwrap());
    std::thread::spawn(move || {
        let _broken = std::io::copy(&mut asking, &mut asked);
        let _closed = asked.shutdown(Shutdown::Both);
    });
    let end = if std::io::copy(&mut platform, &mut peer).is_ok() { Shutdown::Write } else { Shutdown::Both };
    let _gone = peer.shutdown(end);
}
