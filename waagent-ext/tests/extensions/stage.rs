//! A scratch root with the documents of the other programs, and both programs run in it by turns: the test plays the
//! supervisor.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use waagent_common::documents::*;
use waagent_common::json::JsonText;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::types::{HandlerName, HandlerVersion, Sha256};

pub struct Stage {
    folder: TempDir,
    pub root: Root,
}

/// A handler's package and settings, as a test wants them.
pub struct Handler {
    pub name: String,
    pub version: String,
    pub script: String,
    pub manifest: String,
}

/// The commands of a handler whose script gets the command's word as its argument.
pub const MANIFEST: &str = r#"[{"name": "Test", "version": 1.0, "handlerManifest": {
    "installCommand": "bin/handler install", "enableCommand": "bin/handler enable", "updateCommand": "bin/handler update",
    "disableCommand": "bin/handler disable", "uninstallCommand": "bin/handler uninstall",
    "rebootAfterInstall": false, "reportHeartbeat": false}}]"#;

/// A script that notes each command, and reports success from enable.
pub const GOOD: &str = r#"#!/bin/sh
echo "$1 $ConfigSequenceNumber $AZURE_GUEST_AGENT_EXTENSION_VERSION" >> "$PWD/../operations"
[ "$1" = enable ] || exit 0
echo '[{"version": 1.0, "timestampUTC": "x", "status": {"name": "t", "operation": "Enable", "status": "success",
  "code": 0, "formattedMessage": {"lang": "en", "message": "done"}}}]' > "status/$ConfigSequenceNumber.status"
"#;

impl Handler {
    pub fn new(name: &str, script: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            script: script.to_owned(),
            manifest: MANIFEST.to_owned(),
        }
    }

    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    pub fn manifest(mut self, from: &str, to: &str) -> Self {
        assert!(self.manifest.contains(from));
        self.manifest = self.manifest.replace(from, to);
        self
    }

    /// Says in its manifest, too, which handler and version it is.
    pub fn signed_for(mut self, publisher: &str, kind: &str, version: &str) -> Self {
        let info = format!(
            "{{\"signingInfo\": {{\"publisher\": \"{publisher}\", \"type\": \"{kind}\", \"version\": \"{version}\"}},"
        );
        self.manifest = self.manifest.replacen('{', &info, 1);
        self
    }

    pub fn zip(&self) -> Vec<u8> {
        zip_of(&[("HandlerManifest.json", self.manifest.as_bytes()), ("bin/handler", self.script.as_bytes())])
    }

    pub fn extension(&self) -> Extension {
        extension(&self.name, &self.version, Some(0))
    }
}

pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub fn extension(name: &str, version: &str, number: Option<u32>) -> Extension {
    Extension {
        name: HandlerName::try_from(name).unwrap(),
        version: HandlerVersion::try_from(version).unwrap(),
        state: "enabled".into(),
        encoded_signature: None,
        multi_config: false,
        error: None,
        settings: number.map(settings).into_iter().collect(),
    }
}

pub fn settings(number: u32) -> ExtensionSettings {
    ExtensionSettings {
        name: None,
        sequence_number: number,
        state: "enabled".into(),
        dependency_level: 0,
        depends_on: Vec::new(),
        public_settings: JsonText::try_from(r#"{"greeting": "grüß"}"#.to_owned()).ok(),
        protected_settings: None,
        protected_settings_thumbprint: None,
        unreadable: false,
    }
}

impl Stage {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let root = Root::new(folder.path());
        for name in ["fetch/packages", "certs", "net", "provision", "ext/commands", "ext/results"] {
            fs::create_dir_all(root.state_path(name)).unwrap();
        }
        for name in
            ["/var/log/azure", "/etc", "/run/waagent/ext", "/run/waagent/chain", "/run/waagent/provision"]
        {
            fs::create_dir_all(root.path(name)).unwrap();
        }
        fs::write(root.path("/etc/waagent.conf"), "Logs.Verbose=n\n").unwrap();
        let stage = Self { folder, root };
        stage.provision(ProvisionState::Ready);
        stage
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn provision(&self, state: ProvisionState) {
        write(&self.root, &waagent_support::provisioned(state), &Inputs::new(), &Sandbox::unconfined())
            .unwrap();
    }

    pub fn goal(&self, number: u32, extensions: Vec<Extension>) {
        self.goal_with(number, extensions, |_| {});
    }

    pub fn goal_with(&self, number: u32, extensions: Vec<Extension>, change: impl FnOnce(&mut GoalState)) {
        let mut goal = GoalState {
            id: format!("incarnation_{number}"),
            source: GoalStateSource::Fabric,
            created_on: format!("2026-01-01T00:00:{number:02}.000000Z"),
            outdated: false,
            incarnation: number.to_string(),
            etag: None,
            container_id: "c".to_owned(),
            instance_id: "i".to_owned(),
            config_name: "n".to_owned(),
            vm_name: None,
            tenant_certificate: None,
            certificates_sha256: None,
            required_features: Vec::new(),
            on_hold: false,
            agent_families: Vec::new(),
            extensions,
            activity_id: "a".to_owned(),
            correlation_id: "b".to_owned(),
            svd_sequence_number: i64::from(number),
            own_instance: None,
        };
        change(&mut goal);
        write(&self.root, &goal, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    }

    /// What waagent-fetch leaves for a wanted package.
    pub fn package(&self, name: &str, version: &str, zip: &[u8]) {
        self.package_with(name, version, zip, |_| {});
    }

    pub fn package_with(&self, name: &str, version: &str, zip: &[u8], change: impl FnOnce(&mut Package)) {
        let mut package = Package {
            name: HandlerName::try_from(name).unwrap(),
            version: HandlerVersion::try_from(version).unwrap(),
            attempt: 1,
            state: PackageState::Ready,
            uri: None,
            size: Some(zip.len().try_into().unwrap()),
            sha256: Some(Sha256::try_from(waagent_common::digest::sha256(zip)).unwrap()),
            channel: None,
            signature: None,
            error: None,
        };
        change(&mut package);
        let folder = self.root.path(Package::PATH);
        fs::write(folder.join(format!("{name}-{version}.zip")), zip).unwrap();
        let path = folder.join(format!("{name}-{version}.json"));
        write_at(&self.root, &path, &package, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    }

    pub fn offer(&self, handler: &Handler) {
        self.package(&handler.name, &handler.version, &handler.zip());
    }

    /// One run of the planner.
    pub fn plan(&self) -> Output {
        let output = self.planner().output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        output
    }

    pub fn planner(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-ext"));
        command.args(["--once", "--root"]).arg(self.root());
        command
    }

    pub fn runner(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(waagent_support::program("waagent-ext-run"));
        command.args(arguments).arg("--root").arg(self.root());
        command
    }

    /// Ids of commands that nobody began yet.
    pub fn waiting(&self) -> Vec<String> {
        let mut ids: Vec<String> = fs::read_dir(self.root.state_path("ext/commands"))
            .unwrap()
            .filter_map(|entry| {
                entry.unwrap().file_name().into_string().ok()?.strip_suffix(".json").map(str::to_owned)
            })
            .filter(|id| !self.root.state_path(format!("ext/results/{id}.result.json")).exists())
            .collect();
        ids.sort();
        ids
    }

    /// Runs what waits, as the supervisor does. Says whether anything did.
    pub fn run_waiting(&self) -> bool {
        let waiting = self.waiting();
        for id in &waiting {
            let output = self.runner(&[id]).output().unwrap();
            assert!(output.status.success(), "{}", text(&output));
        }
        !waiting.is_empty()
    }

    /// Planner and runner by turns until nothing waits. Returns the planner's last line.
    pub fn settle(&self) -> String {
        for _ in 0..50 {
            let output = self.plan();
            if !self.run_waiting() {
                return text(&output);
            }
        }
        panic!("no end");
    }

    pub fn document<T: Body>(&self) -> T {
        Document::<T>::read(&self.root).unwrap().body
    }

    pub fn status(&self) -> ExtensionStatus {
        self.document()
    }

    /// The handler's entry of the report.
    pub fn handler(&self, name: &str) -> Value {
        let entries = self.status().handlers;
        entries.into_iter().find(|entry| entry["handlerName"] == name).unwrap_or(Value::Null)
    }

    /// The extension's own status in the report.
    pub fn own(&self, name: &str) -> Value {
        self.handler(name)["runtimeSettingsStatus"]["settingsStatus"]["status"].clone()
    }

    pub fn operations(&self) -> String {
        fs::read_to_string(self.root.state_path("operations")).unwrap_or_default()
    }

    pub fn base(&self, handler: &Handler) -> PathBuf {
        self.root.state_path(format!("{}-{}", handler.name, handler.version))
    }
}

pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
