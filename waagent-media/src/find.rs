//! Finds the medium by its content, and reads what matters from it.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{major, minor};
use waagent_common::device_nodes::Changes;
use waagent_common::durable::read_bounded;
use waagent_common::fault::{Exit, Fault};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::secret::Secret;
use waagent_common::text::shown;

use super::args::Named;
use crate::medium::{self, Content, Medium};

/// The file that everything is about.
pub(crate) const OVF: &str = "ovf-env.xml";
/// Its largest size, in bytes: real ones have below 200 KiB.
pub(crate) const MAX_OVF: u64 = 1 << 20;
/// Custom data as a file of its own.
pub(crate) const CUSTOM_DATA: &str = "CustomData.bin";
/// What System Center Virtual Machine Manager puts beside.
pub(crate) const SCVMM: &str = "linuxosconfiguration.xml";
/// SCSI type of CD and DVD drives (include/scsi/scsi_proto.h).
const TYPE_ROM: &str = "5";
/// Where PID 1 mounts a FAT medium.
const FAT_MOUNT: &str = "/mnt/cdrom/secure";

/// The one medium that holds `ovf-env.xml`.
#[derive(Debug)]
pub struct Found {
    /// Device node, or image.
    pub device: PathBuf,
    /// `udf`, `iso9660`, `vfat`.
    pub(crate) file_system: String,
    /// Volume label.
    pub(crate) label: String,
    /// `ovf-env.xml`.
    pub(crate) ovf: Secret<Vec<u8>>,
    /// Custom data as a file of its own.
    pub(crate) custom_data: Option<Secret<Vec<u8>>>,
    /// System Center's configuration is there too.
    pub(crate) scvmm: bool,
}

/// Why there is nothing to keep.
#[derive(Debug)]
pub enum Missing {
    /// No drive, or no medium with the file.
    Nothing(String),
    /// A drive is there that udev isn't done with: it will be.
    Unsettled(String),
    /// A drive or medium doesn't answer: it may later.
    Silent(String),
    /// PID 1 has to mount it.
    Fat(String),
    /// It is there and makes no sense.
    Refused(Fault),
}

/// Device nodes of all drives.
pub fn nodes() -> Vec<PathBuf> {
    candidates(Path::new("/sys"), Path::new("/dev")).into_iter().map(|candidate| candidate.node).collect()
}

/// All drives, if udev is done with them.
pub(crate) fn settled(changes: &Changes) -> Result<Vec<Candidate>, Missing> {
    let candidates = candidates(Path::new("/sys"), Path::new("/dev"));
    match candidates.iter().find(|candidate| !changes.is_settled(&candidate.number)) {
        Some(fresh) => Err(Missing::Unsettled(unreadable(&fresh.node, "udev isn't done with it"))),
        None => Ok(candidates),
    }
}

/// Looks at the named device, or at each drive; two media with the file are one too many.
pub fn read_one(root: &Root, named: Option<&Named>, candidates: &[Candidate]) -> Result<Found, Missing> {
    let Some(named) = named else { return among(root, candidates) };
    let file = named.file.try_clone().map_err(|e| silent(&named.path, &e.to_string()))?;
    read(root, &named.path, file)
}

/// Looks at each of these drives.
pub fn among(root: &Root, candidates: &[Candidate]) -> Result<Found, Missing> {
    let mut found: Option<Found> = None;
    let mut missing = Missing::Nothing("there is no CD or DVD drive".to_owned());
    for candidate in candidates {
        match candidate.open().and_then(|file| read(root, &candidate.node, file)) {
            Ok(second) if found.is_some() => {
                let text = format!(
                    "there are two media with {OVF}, the second in '{}'; remove one",
                    second.device.display()
                );
                return Err(Missing::Refused(Fault::data(text)));
            }
            Ok(first) => found = Some(first),
            Err(why) => missing = why,
        }
    }
    found.ok_or(missing)
}

/// A drive that may hold the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its device node.
    pub(crate) node: PathBuf,
    /// `major:minor`, as sysfs has it.
    number: String,
}

/// CD and DVD drives in the order of their numbers. On other hypervisors than Hyper-V, and only without such a drive,
/// also read-only or removable virtio disks.
pub fn candidates(sysfs: &Path, dev: &Path) -> Vec<Candidate> {
    let mut names: Vec<String> = fs::read_dir(sysfs.join("block"))
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let attribute = |name: &str, attribute: &str| {
        let path = sysfs.join("block").join(name).join(attribute);
        fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let mut chosen: Vec<&String> =
        names.iter().filter(|name| attribute(name, "device/type") == TYPE_ROM).collect();
    if chosen.is_empty() && !sysfs.join("bus/vmbus").exists() {
        let is_medium = |name: &str| {
            name.starts_with("vd")
                && name != "vda"
                && (attribute(name, "ro") == "1" || attribute(name, "removable") == "1")
        };
        chosen = names.iter().filter(|name| is_medium(name)).collect();
    }
    chosen
        .into_iter()
        .map(|name| Candidate { node: dev.join(name), number: attribute(name, "dev") })
        .collect()
}

impl Candidate {
    /// Opens it, and makes sure that it is the device that sysfs means.
    fn open(&self) -> Result<File, Missing> {
        let silent = |why: &str| silent(&self.node, why);
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).bits())
            .open(&self.node)
            .map_err(|error| match error.kind() {
                // The kernel makes the node for root alone; it is there for us when udev has given it its group.
                ErrorKind::PermissionDenied => Missing::Nothing(unreadable(&self.node, &error.to_string())),
                _ => silent(&error.to_string()),
            })?;
        let meta = file.metadata().map_err(|e| silent(&e.to_string()))?;
        let number = format!("{}:{}", major(meta.rdev()), minor(meta.rdev()));
        if !meta.file_type().is_block_device() || number != self.number {
            return Err(silent(&format!("it is device {number}, not {}", self.number)));
        }
        Ok(file)
    }
}

/// Reads what matters from one device.
fn read(root: &Root, device: &Path, file: File) -> Result<Found, Missing> {
    match medium::open(file).map_err(|fault| failed(device, fault))? {
        Content::Medium(medium) => read_files(device, medium),
        Content::Fat => read_mounted(root, device),
        Content::Unknown => Err(no_such_medium(device, "neither UDF nor ISO 9660 nor FAT")),
    }
}

fn read_files(device: &Path, mut medium: Medium<File>) -> Result<Found, Missing> {
    let Some(entry) = medium.find(OVF).cloned() else {
        return Err(no_such_medium(device, "it has no ovf-env.xml"));
    };
    let ovf = medium.read(&entry, MAX_OVF).map_err(|fault| failed(device, fault))?;
    if !is_xml(&ovf) {
        return Err(no_such_medium(device, "its ovf-env.xml is no XML"));
    }
    let custom_data = match medium.find(CUSTOM_DATA).cloned() {
        Some(entry) => match medium.read(&entry, MAX_OVF) {
            Ok(bytes) => Some(Secret::new(bytes)),
            Err(fault) => {
                log::warning(&format!("{fault}, ignoring"));
                None
            }
        },
        None => None,
    };
    Ok(Found {
        device: device.to_path_buf(),
        file_system: medium.file_system.name().to_owned(),
        label: shown(&medium.label),
        ovf: Secret::new(ovf),
        custom_data,
        scvmm: medium.find(SCVMM).is_some(),
    })
}

/// A FAT medium is read where PID 1 has mounted it.
fn read_mounted(root: &Root, device: &Path) -> Result<Found, Missing> {
    let mounted = root.path(FAT_MOUNT).join(OVF);
    match read_bounded(&mounted, MAX_OVF) {
        Ok(ovf) if is_xml(&ovf) => Ok(Found {
            device: device.to_path_buf(),
            file_system: "vfat".to_owned(),
            label: String::new(),
            ovf: Secret::new(ovf),
            custom_data: None,
            scvmm: root.path(FAT_MOUNT).join(SCVMM).exists(),
        }),
        Ok(_) => Err(Missing::Nothing(format!("'{}' is no XML", mounted.display()))),
        Err(_) => Err(Missing::Fat(format!(
            "the medium in '{}' is FAT, and PID 1 has not mounted it yet",
            device.display()
        ))),
    }
}

/// Enough to tell the platform's file from another of its name; its reader looks closer. UTF-8 or UTF-16.
fn is_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first == Some(&b'<') || bytes.starts_with(b"\xff\xfe<") || bytes.starts_with(b"\xfe\xff\0<")
}

fn no_such_medium(device: &Path, why: &str) -> Missing {
    Missing::Nothing(format!("the medium in '{}' is no provisioning medium: {why}", device.display()))
}

/// A damaged medium is refused; one that can't be read may be later.
fn failed(device: &Path, fault: Fault) -> Missing {
    let fault = fault.of(format_args!("cannot read '{}'", device.display()));
    if fault.exit == Exit::Data { Missing::Refused(fault) } else { Missing::Silent(fault.text) }
}

fn silent(device: &Path, why: &str) -> Missing {
    Missing::Silent(unreadable(device, why))
}

fn unreadable(device: &Path, why: &str) -> String {
    format!("cannot read '{}': {why}", device.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysfs(disks: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, attribute, value) in disks {
            let path = dir.path().join("block").join(name).join(attribute);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{value}\n")).unwrap();
        }
        dir
    }

    fn nodes(sysfs: &Path) -> Vec<PathBuf> {
        candidates(sysfs, Path::new("/dev")).into_iter().map(|candidate| candidate.node).collect()
    }

    #[test]
    fn chooses_drives_by_their_type_in_numeric_order() {
        let dir = sysfs(&[
            ("sr10", "device/type", "5"),
            ("sr2", "device/type", "5"),
            ("sda", "device/type", "0"),
            ("vdb", "ro", "1"),
        ]);
        assert_eq!(nodes(dir.path()), [Path::new("/dev/sr2"), Path::new("/dev/sr10")]);
    }

    #[test]
    fn takes_a_virtio_disk_only_where_there_is_no_drive_and_no_hyper_v() {
        let dir =
            sysfs(&[("vda", "ro", "1"), ("vdb", "ro", "0"), ("vdc", "ro", "1"), ("vdd", "removable", "1")]);
        assert_eq!(nodes(dir.path()), [Path::new("/dev/vdc"), Path::new("/dev/vdd")]);
        fs::create_dir_all(dir.path().join("bus/vmbus")).unwrap();
        assert!(nodes(dir.path()).is_empty());
    }

    #[test]
    fn knows_xml_in_the_encodings_that_occur() {
        for good in [&b"<a/>"[..], b"\xef\xbb\xbf \r\n<a/>", b"\xff\xfe<\0a\0", b"\xfe\xff\0<"] {
            assert!(is_xml(good), "{good:?}");
        }
        for bad in [&b""[..], b"#!/bin/sh", b"\xef\xbb\xbf", b"\0<"] {
            assert!(!is_xml(bad), "{bad:?}");
        }
    }
}
