//! A scratch root, the platform's half of the exchange, and a run of the program.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::x509::X509;
use waagent_common::documents::{CertificateCipher, Certificates, Document, SealedCertificates, Transport};
use waagent_common::root::Root;
use waagent_common::sandbox::SandboxReport;
use waagent_fabric::cms::Envelope;
use waagent_fabric::identity::Identity;
use waagent_fabric::scenario::CertificateSpec;

pub struct Scratch {
    pub folder: tempfile::TempDir,
    pub root: Root,
}

impl Scratch {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for name in ["var/lib/waagent/certs", "var/lib/waagent/fetch", "run/waagent/certs", "etc/ssl"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        fs::write(folder.path().join("etc/waagent.conf"), "Logs.Verbose=n\n").unwrap();
        Self { folder, root }
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-certs"));
        command.arg("--root").arg(self.folder.path()).args(args);
        command
    }

    /// Runs the program, which must end well: what it said.
    pub fn succeed(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }

    pub fn certs(&self) -> PathBuf {
        self.root.state_path("certs")
    }

    pub fn transport(&self) -> Document<Transport> {
        Document::read(&self.root).unwrap()
    }

    pub fn certificates(&self) -> Document<Certificates> {
        Document::read(&self.root).unwrap()
    }

    /// The certificate that the fetcher would send.
    pub fn recipient(&self) -> X509 {
        X509::from_der(&STANDARD.decode(self.transport().body.certificate_der_base64).unwrap()).unwrap()
    }

    /// Seals a store as the platform does for this cipher name, and leaves it as the fetcher does.
    pub fn send(&self, cipher: CertificateCipher, store: &[u8]) {
        let envelope =
            Envelope::for_transport(cipher.as_wire()).unwrap().seal(&self.recipient(), store).unwrap();
        self.leave(cipher, &STANDARD.encode(envelope));
    }

    pub fn leave(&self, cipher: CertificateCipher, data: &str) {
        self.leave_body(&SealedCertificates {
            uri_incarnation: "1".to_owned(),
            container_id: "c".to_owned(),
            cipher_requested: cipher,
            transport_thumbprint: self.transport().body.thumbprint,
            format: Some("Pkcs7BlobWithPfxContents".to_owned()),
            data_base64: Some(data.to_owned()),
        });
    }

    pub fn leave_body(&self, body: &SealedCertificates) {
        let document = serde_json::json!({
            "schema": "waagent/sealed-certificates/1",
            "written_by": "waagent-fetch",
            "written_at": "2026-11-21T10:00:00Z",
            "inputs": {},
            "sandbox": SandboxReport::default(),
            "body": body,
        });
        let path = self.root.state_path("fetch/certificates.json");
        fs::write(&path, serde_json::to_vec(&document).unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    }

    /// Where failures of this boot are counted.
    pub fn attempts(&self) -> PathBuf {
        self.root.runtime_path("certs/attempts")
    }

    /// As after a boot.
    pub fn forget_failures(&self) {
        let _was_there = fs::remove_file(self.attempts());
    }

    /// Name, inode, mode and bytes of all in `certs/`.
    pub fn snapshot(&self) -> BTreeMap<String, (u64, u32, Vec<u8>)> {
        let entries = fs::read_dir(self.certs()).unwrap();
        entries
            .map(|entry| {
                let entry = entry.unwrap();
                let meta = entry.metadata().unwrap();
                let bytes = fs::read(entry.path()).unwrap();
                (entry.file_name().into_string().unwrap(), (meta.ino(), meta.mode() & 0o7777, bytes))
            })
            .collect()
    }

    /// How many files of `certs/` end so.
    pub fn count(&self, end: &str) -> usize {
        let names = fs::read_dir(self.certs()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().ends_with(end)).count()
    }

    pub fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.certs().join(name)).unwrap().permissions().mode() & 0o7777
    }
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn identity(name: &str, send_key: bool) -> Identity {
    let spec = serde_json::json!({ "name": name, "key": send_key });
    let spec: CertificateSpec = serde_json::from_value(spec).unwrap();
    Identity::new(&spec).unwrap()
}

pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
