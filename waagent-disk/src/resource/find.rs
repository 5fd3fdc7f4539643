//! Finds the resource disk by the place that the platform gave it, never by its name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use waagent_common::device_nodes::Changes;
use waagent_common::documents::NvmeDisk;
use waagent_common::fault::{Exit, Fault};
use waagent_common::text::shown;
use waagent_common::time;

use super::disk::{self, Disk, Number};

/// Gen2: the first SCSI controller; the resource disk is its LUN 1.
const GEN2: &str = "f8b3781a-1e82-4818-a1c3-63d806ec15bb";
const GEN2_LUN: u64 = 1;
/// Gen1: IDE channel 0, device 1; the only disk there.
const GEN1: &str = "00000000-0001-";
/// What udev's rules call it.
const LINK: &str = "/dev/disk/azure/resource";
/// Until when after the machine's start a controller may have no disk yet.
const FOR_THE_DISK: Duration = Duration::from_secs(30);
/// Models of local NVMe disks; `MSFT NVMe Accelerator` is the network, and holds people's data.
const LOCAL_NVME: &[&str] = &["Microsoft NVMe Direct Disk", "Microsoft NVMe Direct Disk v2"];

/// Where sysfs says that the disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The kernel's name.
    pub(crate) name: String,
    /// vmbus channel.
    pub(crate) vmbus_id: String,
    /// LUN there.
    pub(crate) lun: u64,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The disk.
    Disk(Candidate),
    /// The controller, without such a disk.
    Controller,
    /// No vmbus controller.
    Nothing,
    /// No vmbus at all: another hypervisor.
    NoBus,
}

/// Walks the vmbus below this sysfs.
pub(crate) fn walk(sysfs: &Path) -> Found {
    let Ok(entries) = fs::read_dir(sysfs.join("bus/vmbus/devices")) else { return Found::NoBus };
    let mut channels: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let id = fs::read_to_string(entry.path().join("device_id")).ok()?;
            Some((id.trim().trim_matches(['{', '}']).to_lowercase(), entry.path()))
        })
        .collect();
    channels.sort();
    let mut controller = Found::Nothing;
    for (id, path) in channels {
        let is_gen2 = id == GEN2;
        if !is_gen2 && !id.starts_with(GEN1) {
            continue;
        }
        controller = Found::Controller;
        let disk = disks(&path).into_iter().find(|(lun, _)| !is_gen2 || *lun == GEN2_LUN);
        if let Some((lun, name)) = disk {
            return Found::Disk(Candidate { name, vmbus_id: id, lun });
        }
    }
    controller
}

/// LUN and name of each disk of a channel: `host3/target3:0:0/3:0:0:1/block/sdb`.
fn disks(channel: &Path) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    for host in children(channel, "host") {
        for target in children(&host, "target") {
            for device in children(&target, "") {
                let lun = device.file_name().and_then(|name| name.to_str()?.rsplit_once(':')?.1.parse().ok());
                let Some(lun) = lun else { continue };
                let names = children(&device.join("block"), "");
                found.extend(
                    names.iter().filter_map(|name| Some((lun, name.file_name()?.to_str()?.to_owned()))),
                );
            }
        }
    }
    found.sort();
    found
}

fn children(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_meant = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_meant).collect()
}

/// A disk whose place is known, and of which nothing was read.
#[derive(Debug)]
pub enum Target {
    /// A person named it.
    Named(PathBuf, File),
    /// By the place that the platform gave it.
    Placed(Candidate),
    /// By udev's link, where there is no vmbus.
    Linked(PathBuf),
}

/// What the walk finds; none where this size of machine has no such disk. Early in a boot a disk that its controller
/// doesn't show yet is waited for.
pub fn locate() -> Result<Option<Target>, Fault> {
    let mut changes = Changes::watch()?;
    loop {
        let left = FOR_THE_DISK.saturating_sub(time::uptime());
        match walk(Path::new("/sys")) {
            Found::Disk(candidate) => return Ok(Some(Target::Placed(candidate))),
            Found::Controller if !left.is_zero() => changes.wait(left)?,
            // Without a vmbus only an administrator's udev rule can say which disk is meant.
            Found::NoBus if Path::new(LINK).exists() => return linked().map(Some),
            Found::Controller | Found::Nothing | Found::NoBus => return Ok(None),
        }
    }
}

fn linked() -> Result<Target, Fault> {
    let node = fs::canonicalize(LINK).map_err(|e| Fault::io(format!("cannot follow '{LINK}': {e}")))?;
    Ok(Target::Linked(node))
}

impl Target {
    /// Opens it, after the guards.
    pub fn open(&self) -> Result<Disk, Fault> {
        match self {
            Self::Named(node, file) => {
                let copied =
                    file.try_clone().map_err(|e| Fault::io(format!("cannot use its descriptor: {e}")))?;
                Disk::open(node, Some(copied), "--device")
            }
            Self::Placed(candidate) => guarded(candidate),
            Self::Linked(node) => Disk::open(node, None, "udev's link, there is no vmbus"),
        }
    }

    /// Its device nodes, and those of its partitions.
    pub(crate) fn nodes(&self) -> Vec<PathBuf> {
        let node = self.node();
        let meta = match self {
            Self::Named(_, file) => file.metadata(),
            Self::Placed(_) | Self::Linked(_) => fs::metadata(&node),
        };
        let Some(number) = meta.ok().and_then(|meta| Number::of(&meta)) else { return Vec::new() };
        let mut nodes = disk::nodes(number);
        nodes.push(node);
        nodes
    }

    /// Opens it for its lock alone: nothing is read.
    pub(crate) fn open_for_lock(&self) -> std::io::Result<File> {
        match self {
            Self::Named(_, file) => file.try_clone(),
            Self::Placed(_) | Self::Linked(_) => File::open(self.node()),
        }
    }

    /// Its device node.
    pub(crate) fn node(&self) -> PathBuf {
        match self {
            Self::Named(node, _) | Self::Linked(node) => node.clone(),
            Self::Placed(candidate) => Path::new("/dev").join(&candidate.name),
        }
    }
}

fn guarded(candidate: &Candidate) -> Result<Disk, Fault> {
    let refuse = |why: String| Fault::new(Exit::Os, format!("refusing to use '{}': {why}", candidate.name));
    let mut disk = Disk::open(&Path::new("/dev").join(&candidate.name), None, "its vmbus channel and LUN")?;
    if disk.name != candidate.name {
        return Err(refuse(format!("its node belongs to '{}'", disk.name)));
    }
    let link = fs::metadata(LINK).ok().and_then(|meta| Number::of(&meta));
    if let Some(other) = link.filter(|link| *link != disk.number) {
        return Err(refuse(format!("'{LINK}' is device {other}, sysfs says {}", disk.number)));
    }
    let attribute = |name: &str| {
        let path = Path::new("/sys/block").join(&candidate.name).join(name);
        fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    for (name, expected) in [("removable", "0"), ("device/vendor", "Msft"), ("device/model", "Virtual Disk")]
    {
        let value = attribute(name);
        if value != expected {
            return Err(refuse(format!("{name} is '{}', not '{expected}'", shown(&value))));
        }
    }
    if disk.size == 0 {
        return Err(refuse("it has no size".to_owned()));
    }
    disk.vmbus_id = Some(candidate.vmbus_id.clone());
    disk.lun = Some(candidate.lun);
    Ok(disk)
}

/// Local NVMe disks, which another tool looks after.
pub(crate) fn local_nvme(sysfs: &Path) -> Vec<NvmeDisk> {
    let attribute =
        |path: PathBuf| fs::read_to_string(path).map(|text| shown(text.trim())).unwrap_or_default();
    let mut disks: Vec<NvmeDisk> = children(&sysfs.join("block"), "nvme")
        .iter()
        .filter_map(|path| {
            let model = attribute(path.join("device/model"));
            LOCAL_NVME.contains(&model.as_str()).then(|| NvmeDisk {
                name: path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                model,
                serial: attribute(path.join("device/serial")),
                size_bytes: attribute(path.join("size")).parse::<u64>().unwrap_or(0).saturating_mul(512),
            })
        })
        .collect();
    disks.sort_by(|a, b| a.name.cmp(&b.name));
    disks.truncate(64);
    disks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysfs(channels: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("bus/vmbus/devices")).unwrap();
        for (number, (id, disk)) in channels.iter().enumerate() {
            let channel =
                dir.path().join("bus/vmbus/devices").join(format!("vmbus_{number}_{disk}").replace('/', "_"));
            fs::create_dir_all(channel.join(disk)).unwrap();
            fs::write(channel.join("device_id"), format!("{{{id}}}\n")).unwrap();
        }
        dir
    }

    fn name(found: Found) -> Option<(String, u64)> {
        if let Found::Disk(candidate) = found { Some((candidate.name, candidate.lun)) } else { None }
    }

    #[test]
    fn finds_the_disk_of_both_generations() {
        let gen1 = sysfs(&[
            ("00000000-0000-8899-0000-000000000000", "host2/target2:0:0/2:0:0:0/block/sda"),
            ("00000000-0001-8899-0000-000000000000", "host3/target3:0:1/3:0:1:0/block/sdb"),
        ]);
        assert_eq!(name(walk(gen1.path())), Some(("sdb".to_owned(), 0)));
        let gen2 = sysfs(&[
            ("F8B3781B-1E82-4818-A1C3-63D806EC15BB", "host1/target1:0:0/1:0:0:1/block/sdc"),
            ("F8B3781A-1E82-4818-A1C3-63D806EC15BB", "host0/target0:0:0/0:0:0:1/block/sdb"),
        ]);
        assert_eq!(name(walk(gen2.path())), Some(("sdb".to_owned(), 1)));
    }

    #[test]
    fn never_takes_the_system_disk_the_dvd_or_a_data_disk() {
        for (id, disk) in [
            ("f8b3781a-1e82-4818-a1c3-63d806ec15bb", "host0/target0:0:0/0:0:0:0/block/sda"),
            ("f8b3781a-1e82-4818-a1c3-63d806ec15bb", "host0/target0:0:0/0:0:0:2/block/sr0"),
            ("f8b3781a-1e82-4818-a1c3-63d806ec15bb", "host0/target0:0:0/0:0:0:11/block/sdl"),
        ] {
            assert_eq!(walk(sysfs(&[(id, disk)]).path()), Found::Controller, "{disk}");
        }
        let data = sysfs(&[("f8b3781b-1e82-4818-a1c3-63d806ec15bb", "host1/target1:0:0/1:0:0:1/block/sdc")]);
        assert_eq!(walk(data.path()), Found::Nothing);
        assert_eq!(walk(tempfile::tempdir().unwrap().path()), Found::NoBus);
    }

    #[test]
    fn names_local_nvme_disks_and_not_remote_ones() {
        let dir = tempfile::tempdir().unwrap();
        for (name, model) in
            [("nvme0n1", "MSFT NVMe Accelerator v1.0"), ("nvme1n1", "Microsoft NVMe Direct Disk v2")]
        {
            let disk = dir.path().join("block").join(name);
            fs::create_dir_all(disk.join("device")).unwrap();
            fs::write(disk.join("device/model"), format!("{model}   \n")).unwrap();
            fs::write(disk.join("size"), "2048\n").unwrap();
        }
        let found = local_nvme(dir.path());
        assert_eq!(
            found.iter().map(|disk| (disk.name.as_str(), disk.size_bytes)).collect::<Vec<_>>(),
            [("nvme1n1", 1 << 20)]
        );
    }
}
