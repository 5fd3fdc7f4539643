//! Step `authorized-keys`, and `certificate-keys`: the user's `authorized_keys`, others' lines kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use nix::unistd::{Gid, Uid};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};

use super::sshd::effective;
use crate::certificate_lookup::{Lookup, look_up};
use crate::home;
use crate::key_file::KeyFile;
use crate::pass::{Pass, StepOutcome};
use crate::plan::KeySource;
use crate::public_key::PublicKey;

/// Keys that the medium itself holds.
pub(crate) fn from_values(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let mut wanted: Wanted = BTreeMap::new();
    for key in &pass.plan.keys {
        if let KeySource::Value(value) = &key.source {
            wanted.entry(key.target.clone()).or_default().push(value.clone());
        }
    }
    merge_all(pass, wanted)
}

/// Keys whose certificates come over the network; what isn't there yet is waited for.
pub(crate) fn from_certificates(pass: &mut Pass<'_>) -> Result<StepOutcome> {
    let mut wanted: Wanted = BTreeMap::new();
    let mut lacking = Vec::new();
    for key in &pass.plan.keys {
        let KeySource::Certificate(thumbprint) = &key.source else { continue };
        match look_up(pass.root, thumbprint)? {
            Lookup::Found(value) => wanted.entry(key.target.clone()).or_default().push(value),
            Lookup::Absent => lacking.push(format!("certificate {thumbprint}")),
        }
    }
    let came = merge_all(pass, wanted)?;
    Ok(if lacking.is_empty() { came } else { StepOutcome::Waiting(lacking) })
}

type Wanted = BTreeMap<KeyFile, Vec<PublicKey>>;

fn merge_all(pass: &mut Pass<'_>, wanted: Wanted) -> Result<StepOutcome> {
    if wanted.is_empty() {
        return Ok(StepOutcome::Skipped("none".to_owned()));
    }
    let mut added = 0;
    let mut count = 0;
    for (target, keys) in wanted {
        count += keys.len();
        added += match &target {
            KeyFile::InHome(file) => merge_in_home(pass, file, &keys)?,
            KeyFile::OfSshd(file) => merge_of_sshd(pass, file, &keys)?,
        };
    }
    let text = format!("{count} authorized keys, {added} of them new");
    Ok(if added > 0 { StepOutcome::Done(text) } else { StepOutcome::Unchanged(text) })
}

fn merge_in_home(pass: &mut Pass<'_>, file: &Path, keys: &[PublicKey]) -> Result<usize> {
    let account = pass.account()?;
    let name = Path::new(file.file_name().unwrap_or_default()).to_path_buf();
    let added = home::in_folder_of(pass, &account, file, |folder| {
        let old = home::read(folder, &name, account.uid)?.unwrap_or_default();
        let (new, added) = merged(&old, keys);
        if added > 0 {
            home::replace(folder, &name, &new, 0o600)?;
        }
        Ok(added)
    })?;
    let whole = account.home.join(file);
    let is_usual = file == Path::new(".ssh/authorized_keys") || file == Path::new(".ssh/authorized_keys2");
    if !is_usual
        && !effective::authorized_keys_files(pass.root, &pass.plan.user, &account.home).contains(&whole)
    {
        pass.warn(format!("sshd doesn't read '{}', ignoring", whole.display()));
    }
    if added > 0 {
        note_touched(pass, &pass.root.path(&account.home), file);
    }
    Ok(added)
}

/// The file and the folders between it and the home.
fn note_touched(pass: &mut Pass<'_>, home: &Path, file: &Path) {
    let mut paths: Vec<PathBuf> =
        file.ancestors().filter(|part| !part.as_os_str().is_empty()).map(|part| home.join(part)).collect();
    paths.reverse();
    pass.touched.extend(paths);
}

/// A file of sshd's own, outside of the home: root's, readable by the user as sshd asks for it.
fn merge_of_sshd(pass: &mut Pass<'_>, file: &Path, keys: &[PublicKey]) -> Result<usize> {
    let account = pass.account()?;
    let path = pass.root.path(file);
    let old = match durable::read_bounded(&path, 1 << 20) {
        Ok(old) => old,
        Err(fault) if fault.exit == Exit::NoInput => Vec::new(),
        Err(fault) => bail!(fault),
    };
    let (new, added) = merged(&old, keys);
    if added > 0 {
        durable::write(&path, &new, 0o600)?;
        nix::unistd::chown(&path, Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)))
            .map_err(|e| {
                Fault::io(format!("cannot give '{}' to uid {}: {e}", path.display(), account.uid)).because(e)
            })?;
        pass.touched.push(path);
    }
    Ok(added)
}

/// Old lines stay as they are; a key that one of them holds, with whatever options, isn't added again.
fn merged(old: &[u8], keys: &[PublicKey]) -> (Vec<u8>, usize) {
    let mut new = old.to_vec();
    let mut added = 0;
    for key in keys {
        let base64 = key.base64();
        let is_there = new.split(|byte| *byte == b'\n').any(|line| {
            !line.trim_ascii_start().starts_with(b"#")
                && line.split(u8::is_ascii_whitespace).any(|word| word == base64.as_bytes())
        });
        if is_there {
            continue;
        }
        if new.last().is_some_and(|byte| *byte != b'\n') {
            new.push(b'\n');
        }
        new.extend_from_slice(key.line().as_bytes());
        new.push(b'\n');
        added += 1;
    }
    (new, added)
}

#[cfg(test)]
mod tests;
