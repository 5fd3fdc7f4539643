//! GUID partition tables (UEFI specification 2.10, chapter 5).

use waagent_common::bytes::{array_at, is_at, u32_at, u64_at};
use waagent_common::fault::Fault;

use super::blocks::Blocks;
use super::partition::{ALIGNMENT, Kind, NewTable, Partition};

/// Partition types, as they lie on the disk: `0FC63DAF-8483-4772-8E79-3D69D8477DE4`,
/// `EBD0A0A2-B9E5-4433-87C0-68B6B72699C7`, `E3C9E316-0B5C-4DB8-817D-F92DF00215AE`.
const LINUX: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
const WINDOWS: [u8; 16] =
    [0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7];
const RESERVED: [u8; 16] =
    [0x16, 0xe3, 0xc9, 0xe3, 0x5c, 0x0b, 0xb8, 0x4d, 0x81, 0x7d, 0xf9, 0x2d, 0xf0, 0x02, 0x15, 0xae];
/// Entries of the tables that we make, and the most that are read.
const ENTRIES: u32 = 128;
const MAX_ENTRIES: u32 = 1024;
const ENTRY: u32 = 128;
const HEADER: u32 = 92;

/// The partitions, if both copies are good and say the same.
pub(crate) fn read(disk: &(impl Blocks + ?Sized), sector: u64) -> Result<Vec<Partition>, Fault> {
    let damaged = |what: &str| Fault::data(format!("the GPT is damaged: {what}; look with 'sgdisk -v'"));
    let (header, entries) = copy(disk, sector, 1)?;
    let other = u64_at(&header, 32).ok_or_else(|| damaged("no second copy"))?;
    let (_, second) = copy(disk, sector, other)?;
    if entries != second {
        return Err(damaged("its copies differ"));
    }
    let size = usize::try_from(u32_at(&header, 84).unwrap_or(ENTRY)).unwrap_or(128);
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(entries.chunks_exact(size)) {
        let kind: [u8; 16] = array_at(entry, 0).unwrap_or_default();
        if kind == [0; 16] {
            continue;
        }
        let (first, last) = (u64_at(entry, 32).unwrap_or(0), u64_at(entry, 40).unwrap_or(0));
        let end =
            last.checked_add(1).and_then(|end| end.checked_mul(sector)).filter(|end| *end <= disk.size());
        let end =
            end.filter(|_| first > 0 && first <= last).ok_or_else(|| damaged("a partition is nowhere"))?;
        let kind = match kind {
            LINUX => Kind::Linux,
            WINDOWS => Kind::Windows,
            RESERVED => Kind::Reserved,
            _ => Kind::Other,
        };
        partitions.push(Partition { number, kind, start: first * sector, length: end - first * sector });
    }
    Ok(partitions)
}

/// Header and entries of the copy whose header is in this sector.
fn copy(disk: &(impl Blocks + ?Sized), sector: u64, at: u64) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let damaged = |what: &str| Fault::data(format!("the GPT is damaged: {what}; look with 'sgdisk -v'"));
    let root = at.checked_mul(sector).ok_or_else(|| damaged("a copy is nowhere"))?;
    let header = disk.read(root, usize::try_from(sector).unwrap_or(512))?;
    let field = |at| u32_at(&header, at).unwrap_or_default();
    let (length, count, size) = (field(12), field(80), field(84));
    if !is_at(&header, 0, b"EFI PART") || length < HEADER || u64::from(length) > sector {
        return Err(damaged(&format!("no header in sector {at}")));
    }
    let mut summed = header.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default().to_vec();
    put(&mut summed, 16, &[0; 4]);
    if crc(&summed) != field(16) || u64_at(&header, 24) != Some(at) {
        return Err(damaged(&format!("the header in sector {at} has a wrong checksum")));
    }
    if count > MAX_ENTRIES || !(128..=4096).contains(&size) || !size.is_multiple_of(128) {
        return Err(damaged(&format!("{count} entries of {size} bytes")));
    }
    let first = u64_at(&header, 72).unwrap_or_default().checked_mul(sector);
    let first = first.ok_or_else(|| damaged("its entries are nowhere"))?;
    let entries = disk.read(first, usize::try_from(count * size).unwrap_or(0))?;
    if crc(&entries) != field(88) {
        return Err(damaged("its entries have a wrong checksum"));
    }
    Ok((header, entries))
}

/// One Linux partition from 1 MiB to the end: bytes to write, and where. The second copy comes first, so that a table
/// that is cut off by a power failure is none.
pub(crate) fn new(size: u64, sector: u64, random: [u8; 36]) -> NewTable {
    let bytes = usize::try_from(sector).unwrap_or(512);
    let last = size / sector - 1;
    let entries_sectors = u64::from(ENTRIES * ENTRY) / sector;
    let first = ALIGNMENT / sector;
    let usable = (2 + entries_sectors, last - entries_sectors - 1);
    // The end is a multiple of 1 MiB, too.
    let end = (usable.1 + 1) / first * first - 1;
    let guid = |at: usize| random.get(at..at + 16).unwrap_or_default();
    let mut entries = vec![0; usize::try_from(ENTRIES * ENTRY).unwrap_or(16384)];
    put(&mut entries, 0, &LINUX);
    put(&mut entries, 16, guid(4));
    put(&mut entries, 32, &first.to_le_bytes());
    put(&mut entries, 40, &end.to_le_bytes());
    let header = |own: u64, other: u64, at: u64| {
        let mut header = vec![0; bytes];
        put(&mut header, 0, b"EFI PART\0\0\x01\0");
        put(&mut header, 12, &HEADER.to_le_bytes());
        for (at, value) in [(24, own), (32, other), (40, usable.0), (48, usable.1), (72, at)] {
            put(&mut header, at, &value.to_le_bytes());
        }
        put(&mut header, 56, guid(20));
        put(&mut header, 80, &ENTRIES.to_le_bytes());
        put(&mut header, 84, &ENTRY.to_le_bytes());
        put(&mut header, 88, &crc(&entries).to_le_bytes());
        let sum = crc(header.get(..92).unwrap_or_default());
        put(&mut header, 16, &sum.to_le_bytes());
        header
    };
    let mut mbr = vec![0; bytes];
    put(&mut mbr, 446, &[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0]);
    put(&mut mbr, 458, &u32::try_from(last).unwrap_or(u32::MAX).to_le_bytes());
    put(&mut mbr, 510, &[0x55, 0xaa]);
    let writes = vec![
        ((last - entries_sectors) * sector, entries.clone()),
        (last * sector, header(last, 1, last - entries_sectors)),
        (2 * sector, entries.clone()),
        (sector, header(1, last, 2)),
        (0, mbr),
    ];
    let length = (end + 1 - first) * sector;
    NewTable { writes, partition: Partition { number: 1, kind: Kind::Linux, start: ALIGNMENT, length } }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (slot, byte) in bytes.iter_mut().skip(at).zip(value) {
        *slot = *byte;
    }
}

/// CRC-32 of ISO 3309, as UEFI wants it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc: u32, _| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xedb8_8320 },
        )
    })
}
