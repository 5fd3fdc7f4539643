//! ISO 9660 with Rock Ridge or Joliet: the root folder alone.

use std::io::{Read, Seek};

use waagent_common::bytes::{array_at, is_at, slice_at, u8_at, u16_at, u32_at};
use waagent_common::fault::Fault;

use super::descriptor::{SECTOR, VOLUME_SEQUENCE};
use super::device::{Device, Extent};
use super::names::{tidy, utf16_be};
use super::{Entry, MAX_ENTRIES, Place, damaged};

/// Types of volume descriptors (ECMA-119 8.1.1).
const PRIMARY: u8 = 1;
const SUPPLEMENTARY: u8 = 2;
const TERMINATOR: u8 = 255;
/// Volume descriptors that are looked at.
const MAX_DESCRIPTORS: u64 = 64;
/// Largest root folder, in bytes.
const MAX_FOLDER: u64 = 4 << 20;
/// Flags of a record (ECMA-119 9.1.6): folder, associated file, more extents to come.
const FOLDER: u8 = 2;
const ASSOCIATED: u8 = 4;
const CONTINUED: u8 = 128;
/// Bytes of a record before the name.
const FIXED: usize = 33;

/// Label and root folder. Names by Rock Ridge where it is, else by Joliet, else as ISO 9660 has them.
pub(crate) fn root<R: Read + Seek>(device: &mut Device<R>) -> Result<(String, Vec<Entry>), Fault> {
    let Descriptors { primary, joliet } = descriptors(device)?;
    let primary = primary.ok_or_else(|| damaged("it has no primary volume descriptor"))?;
    let label = primary.get(40..72).map(|label| tidy(&String::from_utf8_lossy(label))).unwrap_or_default();
    let plain = folder(device, &primary)?;
    let records = records(&plain)?;
    if let Some(joliet) = joliet
        && !records.iter().any(|record| rock_ridge(record).is_some())
    {
        let bytes = folder(device, &joliet)?;
        return Ok((label, files(&joliet, &self::records(&bytes)?, joliet_name)?));
    }
    Ok((label, files(&primary, &records, |record| rock_ridge(record).or_else(|| plain_name(record)))?))
}

/// Those that matter here; of several of a kind the first.
#[derive(Default)]
struct Descriptors {
    primary: Option<Vec<u8>>,
    joliet: Option<Vec<u8>>,
}

fn descriptors<R: Read + Seek>(device: &mut Device<R>) -> Result<Descriptors, Fault> {
    let mut found = Descriptors::default();
    for number in 0..MAX_DESCRIPTORS {
        let bytes = device.read(VOLUME_SEQUENCE + number * SECTOR, SECTOR)?;
        if !is_at(&bytes, 1, b"CD001") {
            break;
        }
        match u8_at(&bytes, 0) {
            Some(PRIMARY) => found.primary = found.primary.or(Some(bytes)),
            // Levels 1 to 3 of Joliet name UCS-2 by these escape sequences.
            Some(SUPPLEMENTARY) if [b"%/@", b"%/C", b"%/E"].iter().any(|e| is_at(&bytes, 88, *e)) => {
                found.joliet = found.joliet.or(Some(bytes));
            }
            Some(TERMINATOR) => break,
            _ => {}
        }
    }
    Ok(found)
}

/// The root folder that a descriptor names.
fn folder<R: Read + Seek>(device: &mut Device<R>, descriptor: &[u8]) -> Result<Vec<u8>, Fault> {
    let root = slice_at(descriptor, 156, 34).unwrap_or_default();
    let extent = extent(descriptor, root).ok_or_else(|| damaged("its root folder is nowhere"))?;
    if extent.length > MAX_FOLDER {
        return Err(damaged(&format!("its root folder has {} bytes", extent.length)));
    }
    device.read_extent(extent)
}

/// The records of a folder; none goes over the end of a sector (ECMA-119 6.8.1.1).
fn records(folder: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let mut records = Vec::new();
    for sector in folder.chunks(2048) {
        let mut rest = sector;
        while let Some(length) = rest.first().map(|length| usize::from(*length)).filter(|length| *length > 0)
        {
            if records.len() >= MAX_ENTRIES {
                return Err(damaged(&format!("its root folder has more than {MAX_ENTRIES} entries")));
            }
            let (record, following) = rest
                .split_at_checked(length)
                .filter(|_| length > FIXED)
                .ok_or_else(|| damaged("its root folder ends in an entry"))?;
            records.push(record);
            rest = following;
        }
    }
    Ok(records)
}

fn files(
    descriptor: &[u8],
    records: &[&[u8]],
    name: impl Fn(&[u8]) -> Option<String>,
) -> Result<Vec<Entry>, Fault> {
    let mut files: Vec<Entry> = Vec::new();
    let mut continues = false;
    for record in records {
        let flags = u8_at(record, 25).unwrap_or(FOLDER);
        let is_part = continues;
        continues = flags & CONTINUED != 0;
        if flags & (FOLDER | ASSOCIATED) != 0 || is_part {
            continue;
        }
        let Some(name) = name(record) else { continue };
        let extent =
            extent(descriptor, record).ok_or_else(|| damaged("an entry's place is beyond all devices"))?;
        // Interleaved, or in several extents: nobody writes small files so.
        let split = continues || u8_at(record, 26) != Some(0) || u8_at(record, 27) != Some(0);
        files.push(Entry { name, place: if split { Place::Split } else { Place::Extent(extent) } });
    }
    Ok(files)
}

/// Where a record's content is: first block after its extended attributes, length in bytes (ECMA-119 9.1).
fn extent(descriptor: &[u8], record: &[u8]) -> Option<Extent> {
    let block = u64::from(u16_at(descriptor, 128)?);
    let first = u64::from(u32_at(record, 2)?) + u64::from(u8_at(record, 1)?);
    Some(Extent { offset: first.checked_mul(block)?, length: u64::from(u32_at(record, 10)?) })
}

fn identifier(record: &[u8]) -> Option<&[u8]> {
    slice_at(record, FIXED, usize::from(u8_at(record, 32)?))
}

/// `OVF_ENV.XML;1` -> `OVF_ENV.XML`, and a point at the end (a name without extension) goes.
fn plain_name(record: &[u8]) -> Option<String> {
    let name = String::from_utf8(identifier(record)?.to_vec()).ok()?;
    Some(unversioned(&name))
}

fn joliet_name(record: &[u8]) -> Option<String> {
    utf16_be(identifier(record)?).map(|name| unversioned(&name))
}

fn unversioned(name: &str) -> String {
    let name = name.rsplit_once(';').map_or(name, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

/// The `NM` fields in a record's system use area (Rock Ridge 1.12, 4.1.4). Continuation areas aren't followed: what
/// lies there belongs to names that are longer than any we look for.
fn rock_ridge(record: &[u8]) -> Option<String> {
    let name = usize::from(u8_at(record, 32)?);
    let mut rest = record.get((FIXED + name).next_multiple_of(2)..)?;
    let mut found = Vec::new();
    while let Some([a, b, length, _version]) = array_at::<4>(rest, 0) {
        let length = usize::from(length);
        let field = rest.get(4..length)?;
        if [a, b] == *b"NM" {
            // A flag says "." or ".."; the name follows it.
            if u8_at(field, 0)? & 6 != 0 {
                return None;
            }
            found.extend_from_slice(field.get(1..)?);
        }
        rest = rest.get(length..)?;
    }
    if found.is_empty() { None } else { String::from_utf8(found).ok() }
}
