//! Installed files against the package's manifest; owners and modes of folders, keys and documents.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use waagent_common::digest::sha256;
use waagent_common::documents::catalogue::CATALOGUE;
use waagent_common::durable::read_bounded;
use waagent_common::fault::Fault;
use waagent_common::users::{gid_of, uid_of};

use super::declaration::REINSTALL;
use super::finding::{Finding, Layer, Subject};
use super::machine::{Machine, PROGRAMS};

/// Digests of the installed files, as the package lists them.
pub fn digests(machine: &Machine) -> Vec<Finding> {
    let all = Subject::new("waagent", Layer::Digest);
    let text = match read_bounded(&machine.path(MANIFEST), MAX_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) => return vec![all.unchecked(MANIFEST, fault.text)],
    };
    let mut found: Vec<Finding> = text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(expected, path)| {
            let path = format!("/{path}");
            let subject = Subject::new(&program_of(&path), Layer::Digest);
            match digest(&machine.path(&path)) {
                Ok(now) => subject.compare(path, expected, &now, REINSTALL),
                Err(fault) => subject.differs(path, expected, fault.text, REINSTALL),
            }
        })
        .collect();
    found.extend(strangers(machine, &text, &all));
    found
}

/// Programs in our folder that the manifest doesn't know.
fn strangers(machine: &Machine, manifest: &str, subject: &Subject) -> Vec<Finding> {
    let Ok(folder) = fs::read_dir(machine.path(PROGRAMS)) else { return Vec::new() };
    let mut names: Vec<String> =
        folder.filter_map(Result::ok).map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let is_known = |name: &String| {
        let path = format!("{PROGRAMS}/{name}");
        let listed =
            |line: &str| line.split_once("  ").is_some_and(|(_, own)| own == path.trim_start_matches('/'));
        manifest.lines().any(listed)
    };
    let strange = names.into_iter().filter(|name| !is_known(name));
    strange
        .map(|name| {
            let path = format!("{PROGRAMS}/{}", waagent_common::text::shown(&name));
            subject.differs(path, "not in the package", "a file", "find out where it comes from; remove it")
        })
        .collect()
}

/// The program that a path belongs to, by its name; `waagent` where it is all programs'.
fn program_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.split(['.', '@']).next().unwrap_or(name);
    if path.starts_with(PROGRAMS) { name.to_owned() } else { "waagent".to_owned() }
}

fn digest(path: &Path) -> Result<String, Fault> {
    read_bounded(path, MAX_PROGRAM).map(|bytes| sha256(&bytes))
}

/// Owners and modes: of what tmpfiles makes, of keys, and of documents.
pub fn modes(machine: &Machine) -> Vec<Finding> {
    let mut found = made_by_tmpfiles(machine);
    found.extend(keys(machine));
    found.extend(documents(machine));
    found
}

fn made_by_tmpfiles(machine: &Machine) -> Vec<Finding> {
    let text = match read_bounded(&machine.path(TMPFILES), MAX_BYTES) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(fault) => return vec![Subject::new("waagent", Layer::Mode).unchecked(TMPFILES, fault.text)],
    };
    let mut found = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let ["d" | "f", path, mode, user, group] = fields.as_slice() {
            let expected = format!("{mode} {user}:{group}");
            found.push(compare(machine, path, &expected, "systemd-tmpfiles --create waagent.conf"));
        }
    }
    found
}

/// Private keys: their owner alone reads them, and nobody writes.
fn keys(machine: &Machine) -> Vec<Finding> {
    let folder = "/var/lib/waagent/certs";
    let Ok(entries) = fs::read_dir(machine.root.path(folder)) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(Result::ok).map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let is_key = |name: &String| {
        Path::new(name).extension().is_some_and(|ending| ending == "prv")
            || name.starts_with("TransportPrivate")
    };
    let keys = names.into_iter().filter(is_key);
    keys.map(|name| {
        let path = format!("{folder}/{name}");
        let remedy = format!("chown waagent-certs {path}; chmod 0400 {path}; find out who changed it");
        // The group doesn't matter where it may do nothing.
        compare(machine, &path, "0400 waagent-certs:*", &remedy)
    })
    .collect()
}

/// Documents that are there: each is its writer's, with its mode.
fn documents(machine: &Machine) -> Vec<Finding> {
    let mut found = Vec::new();
    for entry in CATALOGUE {
        let remedy = format!("remove it; {} writes it again", entry.program);
        for path in files_of(machine, entry.path) {
            let expected = format!("{:04o} {}:*", entry.mode, entry.writer);
            found.push(compare(machine, &path, &expected, &remedy));
        }
    }
    found
}

/// The document itself, or all JSON files of its folder.
fn files_of(machine: &Machine, path: &str) -> Vec<String> {
    let real = machine.root.path(path);
    if !real.is_dir() {
        return if real.exists() { vec![path.to_owned()] } else { Vec::new() };
    }
    let names = fs::read_dir(real).into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = names.map(|file| Path::new(path).join(file.file_name())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    files.into_iter().map(|file| file.to_string_lossy().into_owned()).collect()
}

/// Mode, owner and group as `0750 root:root`, `*` for a group that doesn't matter.
fn compare(machine: &Machine, path: &str, expected: &str, remedy: &str) -> Finding {
    let subject = Subject::new(&owner_of(path), Layer::Mode);
    let meta = match fs::symlink_metadata(machine.root.path(path)) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return subject.differs(path, expected, "missing", remedy);
        }
        Err(error) => return subject.unchecked(path, error.to_string()),
    };
    let Some(numbers) = numbers(machine, expected) else {
        return subject.differs(path, expected, "no such account", "systemd-sysusers waagent.conf");
    };
    let group = if expected.ends_with(":*") { "*".to_owned() } else { meta.gid().to_string() };
    let now = format!("{:04o} {}:{group}", meta.mode() & 0o7777, meta.uid());
    if now == numbers {
        return subject.ok(path);
    }
    subject.differs(path, format!("{expected} ({numbers})"), now, remedy)
}

/// The same with the numbers of this machine.
fn numbers(machine: &Machine, expected: &str) -> Option<String> {
    let (mode, owner) = expected.split_once(' ')?;
    let (user, group) = owner.split_once(':')?;
    let uid = uid_of(&machine.root, user)?;
    let gid = if group == "*" { "*".to_owned() } else { gid_of(&machine.root, group)?.to_string() };
    Some(format!("{mode} {uid}:{gid}"))
}

/// The program whose folder a path is in.
fn owner_of(path: &str) -> String {
    let below = ["/var/lib/waagent/", "/run/waagent/"].iter().find_map(|tree| path.strip_prefix(tree));
    let folder = below.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    match folder {
        "ext" if path.contains("/results/") => "waagent-ext-run".to_owned(),
        "net" | "gate" | "fetch" | "certs" | "media" | "provision" | "disk" | "ext" => {
            format!("waagent-{folder}")
        }
        _ => "waagent".to_owned(),
    }
}

/// What `make install` leaves: SHA-256 and path of each file, as sha256sum(1) prints them.
const MANIFEST: &str = "/usr/lib/waagent/manifest.sha256";
const TMPFILES: &str = "/usr/lib/tmpfiles.d/waagent.conf";
/// Largest installed file that is read, in bytes.
const MAX_PROGRAM: u64 = 64 << 20;
/// Largest table that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_whose_a_path_is() {
        assert_eq!(program_of("/usr/libexec/waagent/waagent-net"), "waagent-net");
        assert_eq!(program_of("/usr/lib/systemd/system/azure.slice"), "waagent");
        assert_eq!(owner_of("/var/lib/waagent/certs/x.prv"), "waagent-certs");
        assert_eq!(owner_of("/var/lib/waagent/events"), "waagent");
        assert_eq!(owner_of("/var/lib/waagent/ext/results/1.result.json"), "waagent-ext-run");
    }
}
