//! The handlers of the shipped scenarios, run as an agent runs them: what fails in a chain isn't theirs.

mod common;

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use serde_json::Value;
use tempfile::TempDir;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::packages::package_path;
use waagent_fabric::scenario::Scenario;
use waagent_fabric::xml::text_at;

/// An agent's folder with one handler unpacked.
struct Unpacked {
    library: TempDir,
    base: PathBuf,
    fabric: Fabric,
    manifest: Value,
}

fn unpack(scenario: &str, name: &str, version: &str) -> Result<Unpacked> {
    let library = TempDir::new()?;
    let options = Options { state: Some(library.path().join("state")), ..Options::loopback() };
    let fabric = Fabric::start(Scenario::shipped(scenario)?, &options)?;
    let base = library.path().join(format!("{name}-{version}"));
    let package = fabric.blob(&package_path(name, version)).context("no package")?;
    let mut archive = zip::ZipArchive::new(Cursor::new(package))?;
    archive.extract(&base)?;
    for entry in archive.file_names() {
        fs::set_permissions(base.join(entry?.as_ref()), fs::Permissions::from_mode(0o744))?;
    }
    fs::create_dir(base.join("config"))?;
    fs::create_dir(base.join("status"))?;
    let manifest = serde_json::from_slice(&fs::read(base.join("HandlerManifest.json"))?)?;
    Ok(Unpacked { library, base, fabric, manifest })
}

impl Unpacked {
    fn command(&self, verb: &str, environment: &[(&str, &str)]) -> Result<Output> {
        let pointer = format!("/0/handlerManifest/{verb}Command");
        let line = self.manifest.pointer(&pointer).and_then(Value::as_str).context("no such command")?;
        let command = format!("{}/{line}", self.base.display());
        let environment = environment.iter().copied();
        Ok(Command::new("/bin/sh")
            .args(["-c", &command])
            .envs(environment)
            .current_dir(&self.base)
            .output()?)
    }

    fn status(&self, file: &str) -> Result<Value> {
        let status: Value = serde_json::from_slice(&fs::read(self.base.join("status").join(file))?)?;
        status.pointer("/0/status").cloned().context("no status")
    }
}

#[test]
fn hello_opens_its_protected_settings() -> Result<()> {
    let hello = unpack("first-boot", "Contoso.Orchard.Hello", "1.0.3")?;
    let settings = common::config(&hello.fabric, "ExtensionsConfig", &[])?.xml()?;
    let settings = text_at(&settings, "PluginSettings/Plugin/RuntimeSettings");
    fs::write(hello.base.join("config/0.settings"), settings)?;
    let thumbprint = hello.fabric.thumbprint("TenantEncryptionCert")?;
    let certs = hello.library.path().join("state/certs");
    for (from, to) in [("crt", "crt"), ("key", "prv")] {
        let target = hello.library.path().join(format!("{thumbprint}.{to}"));
        fs::copy(certs.join(format!("TenantEncryptionCert.{from}")), target)?;
    }
    assert!(hello.command("install", &[])?.status.success());
    let output = hello.command("enable", &[("ConfigSequenceNumber", "0")])?;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(hello.status("0.status")?["status"], "success");
    assert_eq!(
        hello.status("0.status")?["formattedMessage"]["message"],
        "good morning from protected settings"
    );
    let said = String::from_utf8([output.stdout, output.stderr].concat())?;
    assert!(said.contains("good morning") && !said.contains("CANARY"), "{said}");
    Ok(())
}

#[test]
fn trivial_and_runner_report_success_where_the_contract_says() -> Result<()> {
    let trivial = unpack("fifty-extensions", "Contoso.Load.Trivial50", "1.0.0")?;
    assert!(trivial.command("enable", &[("ConfigSequenceNumber", "0")])?.status.success());
    assert_eq!(trivial.status("0.status")?["status"], "success");
    let runner = unpack("multi-config", "Contoso.Orchard.Runner", "1.3.0")?;
    assert_eq!(runner.manifest[0]["handlerManifest"]["supportsMultipleExtensions"], true);
    let environment = [("ConfigSequenceNumber", "4"), ("ConfigExtensionName", "wash")];
    assert!(runner.command("enable", &environment)?.status.success());
    assert_eq!(runner.status("wash.4.status")?["status"], "success");
    Ok(())
}
