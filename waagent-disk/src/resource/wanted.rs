//! What the configuration asks for.

use waagent_common::config::{Config, IntegerKey, OptionalTextKey, SwitchKey, TextKey};
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;

use super::file_system::FileSystem;

/// The one mount point: PID 1's static unit and the sandbox are made for it.
pub(crate) const MOUNT_POINT: &str = "/mnt/resource";

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `ResourceDisk.Filesystem`.
    pub(crate) file_system: FileSystem,
    /// `ResourceDisk.MountOptions`.
    pub(crate) options: Option<String>,
    /// Size of the swap file, if there is to be one.
    pub(crate) swap: Option<Swap>,
}

/// The swap file that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swap {
    /// In bytes.
    pub(crate) size: u64,
    /// `ResourceDisk.EnableSwapEncryption`.
    pub(crate) encrypted: bool,
}

/// Label of what we make: short enough for all of them, but FAT's eleven capitals hold it too.
pub(crate) const LABEL: &str = "WAAgentTemp";

/// The file system of that name (78 where there is none that we know).
fn file_system(name: &str) -> Result<FileSystem, Fault> {
    name.parse().map_err(|_| {
        let known: Vec<&str> = FileSystem::ALL.iter().map(|one| one.as_wire()).collect();
        let text = format!(
            "cannot use ResourceDisk.Filesystem '{}'; set one of {}",
            waagent_common::text::shown(name),
            known.join(", ")
        );
        Fault::new(Exit::Config, text)
    })
}

impl Wanted {
    /// Reads the keys; refuses what can't be done (78).
    pub fn from(config: &Config, root: &Root) -> Result<Self, Fault> {
        let refuse = |text: String| Fault::new(Exit::Config, text);
        let mount_point = config.text(TextKey::ResourceDiskMountPoint);
        if mount_point != MOUNT_POINT {
            return Err(refuse(format!(
                "cannot use ResourceDisk.MountPoint '{mount_point}': unit and sandbox are made for '{MOUNT_POINT}'; set that, or set \
                 ResourceDisk.Format=n and mount /dev/disk/azure/resource-part1 by /etc/fstab with option nofail"
            )));
        }
        let options = config.optional_text(OptionalTextKey::ResourceDiskMountOptions).map(str::to_owned);
        if options
            .as_ref()
            .is_some_and(|options| options.chars().any(|c| c.is_control() || c.is_whitespace()))
        {
            return Err(refuse(
                "cannot use ResourceDisk.MountOptions: it has a space or control character".to_owned(),
            ));
        }
        if let Some(options) = &options
            && root.is_live()
            && root.path("/run/systemd/system").exists()
            && !root.path("/etc/systemd/system/mnt-resource.mount.d").exists()
        {
            return Err(refuse(format!(
                "cannot use ResourceDisk.MountOptions '{options}': PID 1 mounts by its unit; run 'systemctl edit mnt-resource.mount' and write \
                 [Mount] Options={options}"
            )));
        }
        Ok(Self {
            file_system: file_system(config.text(TextKey::ResourceDiskFilesystem))?,
            options,
            swap: config.switch(SwitchKey::ResourceDiskEnableSwap).then(|| Swap {
                size: config.integer(IntegerKey::ResourceDiskSwapSizeMb) << 20,
                encrypted: config.switch(SwitchKey::ResourceDiskEnableSwapEncryption),
            }),
        })
    }
}
