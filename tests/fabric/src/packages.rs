//! Packages and their manifests: real zips made from the scenario's inline files.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::scenario::{ExtensionSpec, PackageSpec, Scenario};
use crate::signing::{Kind, Publisher, Signer};
use crate::storage::Storage;
use crate::xml::escape;

/// Puts every package of the scenario, and a manifest per handler that lists all its versions, into storage.
pub fn publish(scenario: &Scenario, storage: &mut Storage, state: Option<&Path>) -> Result<()> {
    let mut archives = BTreeMap::new();
    let is_signing = scenario.package.iter().any(|package| package.signed_for.is_some());
    let signers = is_signing.then(|| signers(state)).transpose()?;
    for package in &scenario.package {
        let zip = archive(package).with_context(|| format!("package '{}'", package.id))?;
        let signature = match (&signers, &package.signed_for) {
            (Some((signer, authority)), Some(_)) => Some(signer.sign_stamped(&zip, authority)?),
            _ => None,
        };
        archives.insert(package.id.as_str(), (zip, signature.map(|der| STANDARD.encode(der))));
    }
    let mut handlers: BTreeMap<&str, Vec<&ExtensionSpec>> = BTreeMap::new();
    for extension in scenario.extension_sets() {
        handlers.entry(&extension.name).or_default().push(extension);
    }
    for (name, versions) in handlers {
        let mut listed: BTreeMap<&str, String> = BTreeMap::new();
        for extension in versions {
            let Some((zip, signature)) = extension.package.as_deref().and_then(|id| archives.get(id)) else {
                continue;
            };
            let path = package_path(name, &extension.version);
            listed.insert(&extension.version, storage.public_uri(&path));
            storage.publish(&path, zip.clone());
            if let Some(signature) = signature {
                storage.sign(&path, signature.clone());
            }
        }
        let manifest = manifest(&listed).into_bytes();
        storage.publish(&manifest_path(name), manifest.clone());
        storage.publish(&failover_path(name), manifest);
    }
    Ok(())
}

/// Who signs packages, and the time stamp authority: both below the publisher's root.
fn signers(state: Option<&Path>) -> Result<(Signer, Signer)> {
    let publisher = Publisher::open(state)?;
    Ok((publisher.signer(Kind::Good)?, publisher.signer(Kind::Stamps)?))
}

/// Path of a handler's manifest.
pub fn manifest_path(name: &str) -> String {
    format!("/manifests/{name}.xml")
}

/// Path of its second copy.
pub fn failover_path(name: &str) -> String {
    format!("/failover/{name}.xml")
}

/// Path of a package.
pub fn package_path(name: &str, version: &str) -> String {
    format!("/packages/{name}__{version}")
}

fn manifest(versions: &BTreeMap<&str, String>) -> String {
    let plugins: String = versions
        .iter()
        .map(|(version, uri)| {
            format!(
                "<Plugin><Version>{}</Version><Uris><Uri>{}</Uri></Uris></Plugin>",
                escape(version),
                escape(uri)
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><PluginVersionManifest \
         xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"><Plugins>{plugins}</Plugins>\
         <InternalPlugins /></PluginVersionManifest>"
    )
}

fn archive(package: &PackageSpec) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let manifest = package.manifest.clone().unwrap_or_else(|| handler_manifest(package));
    zip.start_file("HandlerManifest.json", options)?;
    zip.write_all(manifest.to_string().as_bytes())?;
    for (name, text) in &package.files {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(text.as_bytes())?;
    }
    Ok(zip.finish()?.into_inner())
}

fn handler_manifest(package: &PackageSpec) -> Value {
    let script = package.script.as_deref().unwrap_or_default();
    let command = |verb: &str| Value::from(format!("{script} {verb}"));
    let mut handler = serde_json::Map::new();
    for verb in ["install", "uninstall", "update", "enable", "disable"] {
        handler.insert(format!("{verb}Command"), command(verb));
    }
    handler.insert("rebootAfterInstall".into(), Value::Bool(false));
    handler.insert("reportHeartbeat".into(), Value::Bool(false));
    handler.extend(package.handler.clone());
    let mut manifest = json!({"name": package.id, "version": 1.0, "handlerManifest": handler});
    if let (Some(info), Value::Object(members)) = (signing_info(package), &mut manifest) {
        members.insert("signingInfo".into(), info);
    }
    json!([manifest])
}

/// What a signed package says about itself: that another one's signature is none for it.
fn signing_info(package: &PackageSpec) -> Option<Value> {
    let (name, version) = package.signed_for.as_deref()?.rsplit_once('-')?;
    let (publisher, kind) = name.rsplit_once('.')?;
    Some(json!({"publisher": publisher, "type": kind, "version": version}))
}
