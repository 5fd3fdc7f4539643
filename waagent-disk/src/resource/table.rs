//! Partition tables: reading any, writing the one that we make.

use waagent_common::bytes::{is_at, slice_at, u8_at, u32_at};
use waagent_common::fault::{Exit, Fault};

use super::blocks::Blocks;
use super::gpt;
use super::partition::{ALIGNMENT, Kind, NewTable, Partition};

/// Type of a Linux file system in an MBR, and of what the platform makes (NTFS, exFAT).
pub(crate) const LINUX: u8 = 0x83;
const WINDOWS: u8 = 0x07;
const PROTECTIVE: u8 = 0xee;
/// Where the four entries of an MBR are, and how long each is.
pub(crate) const ENTRIES: usize = 446;
const ENTRY: usize = 16;

/// The table that a disk has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// None at all.
    None,
    /// PC style.
    Mbr(Vec<Partition>),
    /// GUID partition table, both copies good.
    Gpt(Vec<Partition>),
    /// Something that isn't understood, and why.
    Damaged(String),
}

/// Reads the table of a disk with sectors of this size.
pub fn read(disk: &(impl Blocks + ?Sized), sector: u64) -> Result<Table, Fault> {
    let length = usize::try_from(sector).unwrap_or(512);
    let mbr = disk.read(0, length)?;
    if !is_at(&mbr, 510, &[0x55, 0xaa]) {
        let header = disk.read(sector, 8)?;
        return Ok(if header == b"EFI PART" {
            Table::Damaged("a GPT without its protective MBR; look with 'sgdisk -v'".to_owned())
        } else {
            Table::None
        });
    }
    let entries: Vec<&[u8]> = (0..4).filter_map(|n| slice_at(&mbr, ENTRIES + n * ENTRY, ENTRY)).collect();
    if entries.iter().any(|entry| u8_at(entry, 4) == Some(PROTECTIVE)) {
        return Ok(match gpt::read(disk, sector) {
            Ok(partitions) => Table::Gpt(partitions),
            Err(fault) if fault.exit == Exit::Data => Table::Damaged(fault.text),
            Err(fault) => return Err(fault),
        });
    }
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        match u8_at(entry, 4) {
            Some(0) | None => {}
            Some(_) if !matches!(u8_at(entry, 0), Some(0 | 0x80)) => {
                return Ok(Table::Damaged(format!("entry {number} of the partition table makes no sense")));
            }
            Some(kind) => partitions.push(partition(number, kind, entry, sector)),
        }
    }
    if partitions.iter().any(|one| one.start == 0 || one.start.saturating_add(one.length) > disk.size()) {
        return Ok(Table::Damaged("a partition goes over the end of the disk".to_owned()));
    }
    Ok(Table::Mbr(partitions))
}

fn partition(number: u32, kind: u8, entry: &[u8], sector: u64) -> Partition {
    let kind = match kind {
        LINUX => Kind::Linux,
        WINDOWS => Kind::Windows,
        _ => Kind::Other,
    };
    let sectors = |at| u64::from(u32_at(entry, at).unwrap_or_default());
    Partition {
        number,
        kind,
        start: sectors(8).saturating_mul(sector),
        length: sectors(12).saturating_mul(sector),
    }
}

/// One partition from 1 MiB to the end. MBR up to 2^32 sectors, GPT above.
pub(crate) fn new(size: u64, sector: u64, random: [u8; 36]) -> Result<NewTable, Fault> {
    let too_small = || Fault::data(format!("a disk of {size} bytes is too small for a partition"));
    let first = ALIGNMENT / sector;
    let sectors = size / sector;
    if sectors <= 2 * first {
        return Err(too_small());
    }
    let Ok(count) = u32::try_from(sectors - first) else {
        return Ok(gpt::new(size, sector, random));
    };
    let mut mbr = vec![0; usize::try_from(sector).map_err(|_| too_small())?];
    let first = u32::try_from(first).map_err(|_| too_small())?;
    let mut put = |at: usize, bytes: &[u8]| {
        for (slot, byte) in mbr.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    };
    put(440, random.get(..4).unwrap_or_default());
    // Cylinder, head and sector are beyond what those fields can say.
    put(ENTRIES, &[0, 0xfe, 0xff, 0xff, LINUX, 0xfe, 0xff, 0xff]);
    put(ENTRIES + 8, &first.to_le_bytes());
    put(ENTRIES + 12, &count.to_le_bytes());
    put(510, &[0x55, 0xaa]);
    let length = u64::from(count) * sector;
    let partition = Partition { number: 1, kind: Kind::Linux, start: ALIGNMENT, length };
    Ok(NewTable { writes: vec![(0, mbr)], partition })
}
