//! What the configuration asks for.

use waagent_common::config::{Config, IntegerKey, OptionalTextKey, SwitchKey, TextKey};
use waagent_common::fault::{Exit, Fault};
use waagent_common::place::Place;

/// The one mount point: PID 1's static unit and the sandbox are made for it.
pub const MOUNT_POINT: &str = "/mnt/resource";

/// What the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `ResourceDisk.Filesystem`.
    pub file_system: FileSystem,
    /// `ResourceDisk.MountOptions`.
    pub options: Option<String>,
    /// Size of the swap file, if there is to be one.
    pub swap: Option<Swap>,
}

/// The swap file that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swap {
    /// In bytes.
    pub size: u64,
    /// `ResourceDisk.EnableSwapEncryption`.
    pub encrypted: bool,
}

/// A file system that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// Made and mounted.
    Made(&'static Maker),
    /// Only mounted.
    Ntfs,
}

/// How a file system is made.
#[derive(Debug, PartialEq, Eq)]
pub struct Maker {
    /// Its name, for mount(8) too.
    pub name: &'static str,
    /// The program, which the policy declares.
    pub program: &'static str,
    /// Its options, before the label and the device.
    pub options: &'static [&'static str],
    /// Option for the label, if it has one of that length.
    pub label: &'static str,
    /// The package that has it.
    pub package: &'static str,
}

/// Label of what we make: short enough for all of them, but FAT's eleven capitals hold it too.
pub const LABEL: &str = "WAAgentTemp";

const MAKERS: &[Maker] = &[
    Maker {
        name: "ext4",
        program: "/usr/sbin/mkfs.ext4",
        options: &["-F", "-q"],
        label: "-L",
        package: "e2fsprogs",
    },
    Maker {
        name: "ext3",
        program: "/usr/sbin/mkfs.ext3",
        options: &["-F", "-q"],
        label: "-L",
        package: "e2fsprogs",
    },
    Maker {
        name: "ext2",
        program: "/usr/sbin/mkfs.ext2",
        options: &["-F", "-q"],
        label: "-L",
        package: "e2fsprogs",
    },
    Maker {
        name: "xfs",
        program: "/usr/sbin/mkfs.xfs",
        options: &["-f", "-q"],
        label: "-L",
        package: "xfsprogs",
    },
    Maker {
        name: "btrfs",
        program: "/usr/sbin/mkfs.btrfs",
        options: &["-f", "-q"],
        label: "-L",
        package: "btrfs-progs",
    },
    Maker { name: "vfat", program: "/usr/sbin/mkfs.vfat", options: &[], label: "-n", package: "dosfstools" },
];

impl FileSystem {
    /// Its name, as mount(8) wants it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Made(maker) => maker.name,
            Self::Ntfs => "ntfs",
        }
    }

    fn named(text: &str) -> Result<Self, Fault> {
        if text == "ntfs" {
            return Ok(Self::Ntfs);
        }
        MAKERS.iter().find(|maker| maker.name == text).map(Self::Made).ok_or_else(|| {
            let known: Vec<&str> = MAKERS.iter().map(|maker| maker.name).collect();
            let text = waagent_common::text::shown(text);
            Fault::new(
                Exit::Config,
                format!(
                    "cannot use ResourceDisk.Filesystem '{text}'; set one of {} or ntfs",
                    known.join(", ")
                ),
            )
        })
    }
}

impl Wanted {
    /// Reads the keys; refuses what can't be done (78).
    pub fn from(config: &Config, place: &Place) -> Result<Self, Fault> {
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
            && place.is_live()
            && place.path("/run/systemd/system").exists()
            && !place.path("/etc/systemd/system/mnt-resource.mount.d").exists()
        {
            return Err(refuse(format!(
                "cannot use ResourceDisk.MountOptions '{options}': PID 1 mounts by its unit; run 'systemctl edit mnt-resource.mount' and write \
                 [Mount] Options={options}"
            )));
        }
        Ok(Self {
            file_system: FileSystem::named(config.text(TextKey::ResourceDiskFilesystem))?,
            options,
            swap: config.switch(SwitchKey::ResourceDiskEnableSwap).then(|| Swap {
                size: config.integer(IntegerKey::ResourceDiskSwapSizeMb) << 20,
                encrypted: config.switch(SwitchKey::ResourceDiskEnableSwapEncryption),
            }),
        })
    }
}
