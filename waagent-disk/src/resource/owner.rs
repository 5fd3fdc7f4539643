//! Who looks after the resource disk? One owner: where somebody else does, hands off.

use std::fs;
use std::path::Path;

use waagent_common::cloud_init::CloudInit;
use waagent_common::config::{Config, SwitchKey};
use waagent_common::durable::read_bounded;
use waagent_common::root::Root;

use super::disk::Number;
use super::wanted::MOUNT_POINT;

/// Links to the resource disk that others' entries in fstab name.
const LINKS: &[&str] = &["/dev/disk/azure/resource", "/dev/disk/cloud/azure_resource"];
const EPHEMERAL_LABEL: &str = "LABEL=AzureEphmDsk";
const EPHEMERAL_UNIT: &str = "azure-ephemeral-disk-setup.service";
/// Largest file of others' configuration that is looked at, in bytes.
const MAX: u64 = 1 << 20;

/// Who else looks after it, as the document names him.
pub fn other(root: &Root, config: &Config) -> Option<String> {
    if !config.switch(SwitchKey::ResourceDiskFormat) {
        return Some("ResourceDisk.Format=n".to_owned());
    }
    if let Some(line) = in_fstab(root, None) {
        return Some(format!("fstab: {line}"));
    }
    if cloud_init_does(root) {
        return Some("cloud-init".to_owned());
    }
    ephemeral_setup_does(root).then(|| "azure-ephemeral-disk-setup".to_owned())
}

/// Does fstab name the disk or the mount point? With numbers: also under other names.
pub(crate) fn in_fstab(root: &Root, numbers: Option<&[Number]>) -> Option<String> {
    let text = text(&root.path("/etc/fstab"));
    let is_about_it = |line: &&str| {
        let mut fields = line.split_whitespace();
        let (Some(device), Some(point)) = (fields.next(), fields.next()) else { return false };
        let is_number = || {
            // Other words in its place are folders to bind and servers: whatever they are, not this disk.
            let node = Some(device).filter(|device| device.starts_with("/dev/"));
            let number = node.and_then(|node| fs::metadata(node).ok()).and_then(|meta| Number::of(&meta));
            numbers.is_some_and(|numbers| number.is_some_and(|number| numbers.contains(&number)))
        };
        !device.starts_with('#')
            && (LINKS.iter().any(|link| device.starts_with(link))
                || device == EPHEMERAL_LABEL
                || point == MOUNT_POINT
                || is_number())
    };
    text.lines().find(is_about_it).map(waagent_common::text::shown)
}

/// It runs, the link that its configuration goes by is there, and its modules for disks are on.
fn cloud_init_does(root: &Root) -> bool {
    CloudInit::on(root) == CloudInit::Enabled
        && Path::new("/dev/disk/cloud/azure_resource").exists()
        && text(&root.path("/etc/cloud/cloud.cfg"))
            .lines()
            .any(|line| matches!(line.trim().trim_start_matches("- "), "disk_setup" | "mounts"))
}

fn ephemeral_setup_does(root: &Root) -> bool {
    let is_wanted = |folder: &str| {
        fs::read_dir(root.path(folder)).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.path().join(EPHEMERAL_UNIT).is_symlink())
        })
    };
    let takes_scsi = text(&root.path("/etc/azure-ephemeral-disk-setup.conf"))
        .lines()
        .filter_map(|line| line.trim().strip_prefix("AZURE_EPHEMERAL_DISK_SETUP_SCSI_RESOURCE="))
        .any(|value| value.trim_matches(['"', '\'']) == "true");
    takes_scsi && is_wanted("/etc/systemd/system")
}

/// What isn't there or can't be read says nothing.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&read_bounded(path, MAX).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::mounts::tests::some_device;
    use super::*;

    #[test]
    fn only_a_device_in_fstab_is_compared_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let (node, number) = some_device();
        std::os::unix::fs::symlink(&node, folder.path().join("disk")).unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let found = |device: &str| {
            fs::write(root.path("/etc/fstab"), format!("{device} /data none bind 0 0\n")).unwrap();
            in_fstab(&root, Some(&[number]))
        };
        assert_eq!(found(&node), Some(format!("{node} /data none bind 0 0")));
        assert_eq!(found(folder.path().join("disk").to_str().unwrap()), None);
    }
}
