//! SSH host keys.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use waagent_common::config::{Config, SwitchKey, TextKey};
use waagent_common::documents::HostKey;
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::text::shown;
use waagent_common::tool::{Running, Tool};

use super::sshd;
use crate::pass::{Pass, StepOutcome};
use crate::public_key::PublicKey;

/// Keys in the making: types, and the tools at work.
pub(crate) type Making = Vec<(&'static str, Result<Running, Fault>)>;

/// Begins to make them, which takes longer than all else in a pass: the step that puts them in place comes after the others.
/// What keeps them from being made is that step's to say.
pub(crate) fn begin(pass: &mut Pass<'_>) {
    if let Wanted::These(types) = wanted(pass)
        && sshd::check_folder(pass).is_ok()
    {
        pass.host_keys = make(pass.root, types).ok();
    }
}

/// Replaces the image's host keys, which its clones share. New ones are made beside and renamed over, so that at no
/// time there is none. An administrator's host certificates stay.
pub(crate) fn regenerate(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let types = match wanted(pass) {
        Wanted::NotAsked => {
            return Ok(StepOutcome::Skipped("Provisioning.RegenerateSshHostKeyPair=n".to_owned()));
        }
        Wanted::NoOpenSsh => {
            pass.warn("OpenSSH isn't installed: no host keys are made, ignoring".to_owned());
            return Ok(StepOutcome::Skipped("no ssh-keygen".to_owned()));
        }
        Wanted::AreThere => {
            return Ok(StepOutcome::Unchanged(pass.journal.detail("host-keys").to_owned()));
        }
        Wanted::These(types) => types,
    };
    sshd::check_folder(pass)?;
    let folder = pass.root.path(FOLDER);
    let scratch = scratch(pass.root);
    let making = match pass.host_keys.take() {
        Some(making) => making,
        None => make(pass.root, types)?,
    };
    let made = made(pass, making)?;
    swap(&folder, &scratch, &made)?;
    note_certificates(pass, &folder);
    for kind in &made {
        pass.touched.extend([private(&folder, kind), public(&folder, kind)]);
    }
    sshd::note_running(pass);
    Ok(StepOutcome::Done(format!("made host keys: {}", made.join(", "))))
}

/// The machine's host keys, for the platform and for people at the console.
pub(crate) fn fingerprints(root: &Root) -> Vec<HostKey> {
    let folder = root.path(FOLDER);
    let read = |kind: &&str| {
        let bytes = durable::read_bounded(&public(&folder, kind), 64 << 10).ok()?;
        let key = PublicKey::parse(&String::from_utf8_lossy(&bytes)).ok()?;
        Some(HostKey { key_type: (**kind).to_owned(), fingerprint: key.fingerprint() })
    };
    TYPES.iter().filter_map(read).collect()
}

/// Would a pass over what was done before keep the keys that are there?
pub(crate) fn would_stay(root: &Root, config: &Config) -> bool {
    has_any(root, &wanted_types(root, config))
}

fn has_any(root: &Root, types: &[&str]) -> bool {
    types.iter().any(|kind| private(&root.path(FOLDER), kind).exists())
}

fn wanted_types(root: &Root, config: &Config) -> Vec<&'static str> {
    let asked = config.text(TextKey::ProvisioningSshHostKeyPairType);
    let named = sshd::named_host_keys(root, FOLDER);
    TYPES
        .iter()
        .copied()
        .filter(|kind| asked == "auto" || *kind == asked || named.iter().any(|name| name == kind))
        .collect()
}

/// What is to be done about them.
enum Wanted {
    NotAsked,
    NoOpenSsh,
    AreThere,
    These(Vec<&'static str>),
}

fn wanted(pass: &Pass<'_>) -> Wanted {
    if !pass.config.switch(SwitchKey::ProvisioningRegenerateSshHostKeyPair) {
        return Wanted::NotAsked;
    }
    if !Path::new(KEYGEN).exists() || !pass.root.path(FOLDER).is_dir() {
        return Wanted::NoOpenSsh;
    }
    let types = wanted_types(pass.root, pass.config);
    if (pass.was_done("host-keys") || pass.is_marked) && has_any(pass.root, &types) {
        return Wanted::AreThere;
    }
    Wanted::These(types)
}

fn scratch(root: &Root) -> PathBuf {
    root.path(FOLDER).join(".waagent-new")
}

fn make(root: &Root, types: Vec<&'static str>) -> Result<Making> {
    let scratch = scratch(root);
    if fs::symlink_metadata(&scratch).is_ok() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::DirBuilder::new().mode(0o700).create(&scratch)?;
    let start = |kind: &'static str| {
        let file = private(&scratch, kind);
        let bits: &[&str] = if kind == "rsa" { &["-b", "3072"] } else { &[] };
        let tool = Tool::new(KEYGEN).args(["-q", "-t", kind, "-N", "", "-C", "", "-f"]);
        (kind, tool.arg(file.to_string_lossy()).args(bits.iter().copied()).start())
    };
    Ok(types.into_iter().map(start).collect())
}

/// A type that the system's cryptography refuses is left out, as long as another one is made.
fn made(pass: &mut Pass<'_>, making: Making) -> Result<Vec<&'static str>> {
    let mut made = Vec::new();
    let mut last = None;
    for (kind, tool) in making {
        match tool.and_then(Running::success) {
            Ok(_) => made.push(kind),
            Err(fault) => {
                pass.warn(format!("no host key of type {kind}: {fault}, ignoring"));
                last = Some(fault);
            }
        }
    }
    if made.is_empty() {
        fs::remove_dir_all(scratch(pass.root))?;
        let (said, errno) = last.map_or_else(Default::default, |fault| (fault.text, fault.errno));
        let text = format!("no host key could be made; the old ones stay: {said}");
        bail!(Fault { errno, ..Fault::new(Exit::Os, text) });
    }
    Ok(made)
}

/// Renames each key over its predecessor, private before public, then removes the image's keys of other types.
fn swap(folder: &Path, scratch: &Path, made: &[&str]) -> Result<()> {
    for kind in made {
        let (new, old) = (private(scratch, kind), private(folder, kind));
        inherit(&new, &old)?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, &old)?;
        let new = public(scratch, kind);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
        fs::File::open(&new)?.sync_all()?;
        fs::rename(&new, public(folder, kind))?;
    }
    for kind in TYPES.iter().chain(&["dsa"]).filter(|kind| !made.contains(kind)) {
        durable::remove(&private(folder, kind))?;
        durable::remove(&public(folder, kind))?;
    }
    fs::remove_dir_all(scratch)?;
    durable::sync_folder(scratch)?;
    Ok(())
}

/// Group and mode of the key that goes: Red Hat's older systems let a group read it.
fn inherit(new: &Path, old: &Path) -> Result<()> {
    let mut mode = 0o600;
    if let Ok(meta) = fs::symlink_metadata(old)
        && meta.is_file()
        && meta.gid() != 0
    {
        chown(new, None, Some(meta.gid()))?;
        mode = meta.mode() & 0o640;
    }
    Ok(fs::set_permissions(new, fs::Permissions::from_mode(mode))?)
}

fn note_certificates(pass: &mut Pass<'_>, folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for name in entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        if name.starts_with("ssh_host_") && name.ends_with("_key-cert.pub") {
            let name = shown(&name);
            pass.warn(format!(
                "host certificate '{name}' is for a key that is gone, ignoring; sign the new key"
            ));
        }
    }
}

fn private(folder: &Path, kind: &str) -> PathBuf {
    folder.join(format!("ssh_host_{kind}_key"))
}

fn public(folder: &Path, kind: &str) -> PathBuf {
    folder.join(format!("ssh_host_{kind}_key.pub"))
}

const FOLDER: &str = "/etc/ssh";
const KEYGEN: &str = "/usr/bin/ssh-keygen";
/// In the order in which their fingerprints are shown.
const TYPES: &[&str] = &["rsa", "ecdsa", "ed25519"];
