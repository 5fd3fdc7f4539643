//! Timeout of SCSI disks: storage may stall for minutes, and the kernel's 30 s would make a root read-only.

use std::fs;
use std::path::Path;

use waagent_common::documents::{DiskTimeout, ScsiTimeout};
use waagent_common::log;

/// Brings every disk `sd*` to this timeout, in seconds; says what is in force then.
pub(crate) fn set(sysfs: &Path, seconds: u64) -> ScsiTimeout {
    let mut names: Vec<String> = fs::read_dir(sysfs.join("block"))
        .map(|entries| entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
        .unwrap_or_default();
    names.retain(|name| name.starts_with("sd"));
    names.sort();
    ScsiTimeout {
        value: seconds,
        disks: names.into_iter().filter_map(|name| set_one(sysfs, name, seconds)).collect(),
    }
}

fn set_one(sysfs: &Path, name: String, seconds: u64) -> Option<DiskTimeout> {
    let path = sysfs.join("block").join(&name).join("device/timeout");
    // A disk that was just detached has no timeout.
    let before: u64 = fs::read_to_string(&path).ok()?.trim().parse().ok()?;
    if before == seconds {
        return Some(DiskTimeout { name, seconds });
    }
    match fs::write(&path, seconds.to_string()) {
        Ok(()) => {
            log::info(&format!("set the timeout of '{name}' to {seconds} s; it was {before} s"));
            Some(DiskTimeout { name, seconds })
        }
        Err(error) => {
            log::warning(&format!("cannot write '{}': {error}, using {before} s", path.display()));
            Some(DiskTimeout { name, seconds: before })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_the_disks_and_leaves_everything_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["sda", "sdb", "sr0", "nvme0n1"] {
            let device = dir.path().join("block").join(name).join("device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("timeout"), if name == "sdb" { "300\n" } else { "30\n" }).unwrap();
        }
        let done = set(dir.path(), 300);
        let names: Vec<(&str, u64)> =
            done.disks.iter().map(|disk| (disk.name.as_str(), disk.seconds)).collect();
        assert_eq!(names, [("sda", 300), ("sdb", 300)]);
        let timeout = |name: &str| {
            fs::read_to_string(dir.path().join("block").join(name).join("device/timeout")).unwrap()
        };
        assert_eq!(
            (timeout("sda").as_str(), timeout("sr0").as_str(), timeout("nvme0n1").as_str()),
            ("300", "30\n", "30\n")
        );
    }
}
