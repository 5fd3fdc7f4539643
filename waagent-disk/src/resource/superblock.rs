//! What a disk or partition says that it holds: the marks of everything that could be somebody's data.
//!
//! Offsets and marks as in util-linux `libblkid/src/superblocks` and the kernel's headers.

use std::fmt;

use waagent_common::bytes::{is_at, slice_at, u16_at, u32_at};
use waagent_common::fault::Fault;

use Signature::{Gpt, Other};

use super::blocks::Blocks;
use super::file_system::FileSystem::{self, Btrfs, Ext2, Ext3, Ext4, Ntfs, Vfat, Xfs};

/// What a mark says that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// A file system that can be asked for.
    FileSystem(FileSystem),
    /// A GUID partition table.
    Gpt,
    /// Something else that may be somebody's data, by its name for people.
    Other(&'static str),
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileSystem(file_system) => file_system.as_wire(),
            Self::Gpt => "GPT",
            Self::Other(name) => name,
        })
    }
}

/// How much of both ends is looked at, in bytes.
pub(crate) const EDGE: u64 = 1 << 20;

/// Marks at a fixed offset from the beginning.
const AT_HEAD: &[(Signature, usize, &[u8])] = &[
    (Signature::FileSystem(Ntfs), 3, b"NTFS    "),
    (Other("exfat"), 3, b"EXFAT   "),
    (Other("BitLocker"), 3, b"-FVE-FS-"),
    (Signature::FileSystem(Xfs), 0, b"XFSB"),
    (Other("LUKS"), 0, b"LUKS\xba\xbe"),
    (Other("squashfs"), 0, b"hsqs"),
    (Gpt, 512, b"EFI PART"),
    (Gpt, 4096, b"EFI PART"),
    (Other("LVM physical volume"), 0, b"LABELONE"),
    (Other("LVM physical volume"), 512, b"LABELONE"),
    (Other("LVM physical volume"), 1024, b"LABELONE"),
    (Other("LVM physical volume"), 1536, b"LABELONE"),
    (Other("md member"), 0, &[0xfc, 0x4e, 0x2b, 0xa9]),
    (Other("md member"), 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
    (Other("f2fs"), 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    (Other("erofs"), 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    (Other("nilfs2"), 1030, &[0x34, 0x34]),
    (Other("bcache"), 4120, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca]),
    (Other("bcachefs"), 4120, &[0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9]),
    (Other("jfs"), 32768, b"JFS1"),
    (Other("iso9660"), 32769, b"CD001"),
    (Other("udf"), 32769, b"BEA01"),
    (Other("reiserfs"), 65588, b"ReIsEr"),
    (Signature::FileSystem(Btrfs), 65600, b"_BHRfS_M"),
    (Other("LUKS"), 16384, b"SKUL\xba\xbe"),
];

/// Marks at a fixed distance from the end.
const AT_TAIL: &[(Signature, usize, &[u8])] = &[
    (Other("md member"), 8192, &[0xfc, 0x4e, 0x2b, 0xa9]),
    (Other("DDF RAID member"), 512, &[0xde, 0x11, 0xde, 0x11]),
    (Other("Intel RAID member"), 1024, b"Intel Raid ISM Cfg Sig."),
    (Other("DRBD"), 4096 - 60, &[0x83, 0x74, 0x02, 0x6d]),
];

/// Page sizes of machines that may have made a swap area.
const PAGES: &[usize] = &[4096, 8192, 16384, 65536];
/// Uberblocks of ZFS: one each 1 KiB in the second half of each label of 256 KiB.
const ZFS_MARK: u64 = 0x00ba_b10c;
const ZFS_LABEL: usize = 256 << 10;

/// The ends of a disk or partition, and the marks in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signatures {
    /// What is there, each once.
    pub(crate) found: Vec<Signature>,
    /// First byte that isn't zero, of both ends.
    pub(crate) first_data: Option<u64>,
}

impl Signatures {
    /// What is there, for people, with this between the words.
    pub(crate) fn named(&self, between: &str) -> String {
        let names: Vec<String> = self.found.iter().map(ToString::to_string).collect();
        names.join(between)
    }

    /// Is this file system there, and nothing else?
    pub(crate) fn is_only(&self, file_system: FileSystem) -> bool {
        self.found == [Signature::FileSystem(file_system)]
    }

    /// Nothing that is known, and nothing but zeros at both ends.
    pub fn is_blank(&self) -> bool {
        self.found.is_empty() && self.first_data.is_none()
    }

    /// Looks at both ends. An unreadable sector is an error, never "blank".
    pub fn read(blocks: &(impl Blocks + ?Sized)) -> Result<Self, Fault> {
        let edge = usize::try_from(blocks.size().min(EDGE)).unwrap_or(usize::MAX);
        let start = blocks.size().saturating_sub(EDGE);
        let head = blocks.read(0, edge)?;
        let tail = blocks.read(start, edge)?;
        let mut found = Vec::new();
        let mut see = |what: Signature, is_there: bool| {
            if is_there && !found.contains(&what) {
                found.push(what);
            }
        };
        for (what, at, mark) in AT_HEAD {
            see(*what, is_at(&head, *at, mark));
        }
        for (what, from_end, mark) in AT_TAIL {
            see(*what, tail.len().checked_sub(*from_end).is_some_and(|at| is_at(&tail, at, mark)));
        }
        if let Some(which) = ext(&head) {
            see(Signature::FileSystem(which), true);
        }
        see(Signature::FileSystem(Vfat), is_fat(&head));
        see(Other("swap area"), PAGES.iter().any(|page| is_swap(&head, *page)));
        see(Other("md member"), is_old_md(&tail, blocks.size(), start));
        see(
            Other("ZFS member"),
            is_zfs(&head) || is_zfs(tail.get(tail.len().saturating_sub(2 * ZFS_LABEL)..).unwrap_or_default()),
        );
        Ok(Self { found, first_data: first_data(&head, 0).or_else(|| first_data(&tail, start)) })
    }
}

/// Which of the ext family, by its features (Documentation/filesystems/ext4/super.rst).
fn ext(head: &[u8]) -> Option<FileSystem> {
    if u16_at(head, 1024 + 56) != Some(0xef53) {
        return None;
    }
    let (compatible, incompatible) = (u32_at(head, 1024 + 92)?, u32_at(head, 1024 + 96)?);
    // Extents, 64 bits, flexible groups and what came later: ext3 can't have them.
    Some(match (incompatible & !0x1f, compatible & 4) {
        (1.., _) => Ext4,
        (0, 4) => Ext3,
        _ => Ext2,
    })
}

fn is_fat(head: &[u8]) -> bool {
    is_at(head, 510, &[0x55, 0xaa])
        && (is_at(head, 54, b"FAT12   ")
            || is_at(head, 54, b"FAT16   ")
            || is_at(head, 54, b"FAT     ")
            || is_at(head, 82, b"FAT32   "))
}

fn is_swap(head: &[u8], page: usize) -> bool {
    is_at(head, page - 10, b"SWAPSPACE2")
        || is_at(head, page - 10, b"SWAP-SPACE")
        || is_at(head, page - 10, b"S1SUSPEND\0")
}

/// md with metadata 0.90: in the last whole 64 KiB block but one (include/uapi/linux/raid/md_p.h).
fn is_old_md(tail: &[u8], size: u64, tail_start: u64) -> bool {
    let at = (size & !0xffff).checked_sub(0x10000).and_then(|at| at.checked_sub(tail_start));
    at.and_then(|at| usize::try_from(at).ok()).is_some_and(|at| u32_at(tail, at) == Some(0xa92b_4efc))
}

fn is_zfs(label: &[u8]) -> bool {
    let marks = [ZFS_MARK.to_le_bytes(), ZFS_MARK.to_be_bytes()];
    (0..label.len() / 1024).any(|block| {
        slice_at(label, block * 1024, 8).is_some_and(|bytes| marks.iter().any(|mark| mark == bytes))
    })
}

fn first_data(bytes: &[u8], start: u64) -> Option<u64> {
    let at = bytes.iter().position(|byte| *byte != 0)?;
    u64::try_from(at).ok().map(|at| start + at)
}

/// UUID of an ext, xfs or btrfs file system, as people write it.
pub(crate) fn uuid(
    blocks: &(impl Blocks + ?Sized),
    file_system: FileSystem,
) -> Result<Option<String>, Fault> {
    let at = match file_system {
        Ext2 | Ext3 | Ext4 => 1024 + 104,
        Xfs => 32,
        Btrfs => 65536 + 32,
        Vfat | Ntfs => return Ok(None),
    };
    Ok(Some(dashed(&blocks.read(at, 16)?)))
}

/// Volume label of an ext, xfs or btrfs file system.
pub(crate) fn label(
    blocks: &(impl Blocks + ?Sized),
    file_system: FileSystem,
) -> Result<Option<String>, Fault> {
    let (at, length) = match file_system {
        Ext2 | Ext3 | Ext4 => (1024 + 120, 16),
        Xfs => (108, 12),
        Btrfs => (65536 + 0x12b, 256),
        Vfat | Ntfs => return Ok(None),
    };
    let bytes = blocks.read(at, length)?;
    let used = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(used).into_owned()))
}

/// Sixteen bytes in groups of 4, 2, 2, 2, 6.
pub(crate) fn dashed(bytes: &[u8]) -> String {
    let digits = waagent_common::digest::hex(bytes);
    let group = |from: usize, to: usize| digits.get(2 * from..2 * to).unwrap_or_default();
    [group(0, 4), group(4, 6), group(6, 8), group(8, 10), group(10, 16)].join("-")
}
