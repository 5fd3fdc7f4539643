//! The file systems that can be asked for, and how they are made.

use waagent_common::words;

words! {
    /// A file system that can be asked for, by its name in mount(8).
    pub(crate) enum FileSystem {
        /// Second extended file system.
        Ext2 = "ext2",
        /// With a journal.
        Ext3 = "ext3",
        /// With extents.
        Ext4 = "ext4",
        /// XFS.
        Xfs = "xfs",
        /// Btrfs.
        Btrfs = "btrfs",
        /// FAT.
        Vfat = "vfat",
        /// What the platform makes: only mounted, never made.
        Ntfs = "ntfs",
    }
}

/// How a file system is made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// What it makes.
    pub(crate) file_system: FileSystem,
    /// The program, which the policy declares.
    pub(crate) program: &'static str,
    /// Its options, before the label and the device.
    pub(crate) options: &'static [&'static str],
    /// Option for the label, if it has one of that length.
    pub(crate) label: &'static str,
    /// The package that has it.
    pub(crate) package: &'static str,
}

const MAKERS: &[Maker] = &[
    Maker {
        file_system: FileSystem::Ext4,
        program: "/usr/sbin/mkfs.ext4",
        options: &["-F", "-q"],
        label: "-L",
        package: "e2fsprogs",
    },
    Maker {
        file_system: FileSystem::Ext3,
        program: "/usr/sbin/mkfs.ext3",
        options: &["-F", "-q"],
        label: "-L",
        package: "e2fsprogs",
    },
    Maker {
        file_system: FileSystem::Ext2,
        program: "/usr/sbin/mkfs.ext2",
        options: &["-F", "-q"],
        label: "-L",
        package: "e2fsprogs",
    },
    Maker {
        file_system: FileSystem::Xfs,
        program: "/usr/sbin/mkfs.xfs",
        options: &["-f", "-q"],
        label: "-L",
        package: "xfsprogs",
    },
    Maker {
        file_system: FileSystem::Btrfs,
        program: "/usr/sbin/mkfs.btrfs",
        options: &["-f", "-q"],
        label: "-L",
        package: "btrfs-progs",
    },
    Maker {
        file_system: FileSystem::Vfat,
        program: "/usr/sbin/mkfs.vfat",
        options: &[],
        label: "-n",
        package: "dosfstools",
    },
];

impl FileSystem {
    /// How it is made; none: it is only mounted.
    pub(crate) fn maker(self) -> Option<&'static Maker> {
        MAKERS.iter().find(|maker| maker.file_system == self)
    }

    /// Is it of the ext family, which shares superblock and check?
    pub(crate) const fn is_ext(self) -> bool {
        matches!(self, Self::Ext2 | Self::Ext3 | Self::Ext4)
    }
}
