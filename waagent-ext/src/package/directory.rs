//! The end of a zip archive and its central directory, looked at before a library does: how much is there?
//!
//! Layout: APPNOTE.TXT 6.3.10 of PKWARE, 4.3.12 to 4.3.16.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Limits;

/// Size of the end record without its comment; the comment has at most 65 535 bytes.
const END: usize = 22;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END64_SIGNATURE: &[u8] = b"PK\x06\x06";
const LOCATOR64_SIGNATURE: &[u8] = b"PK\x06\x07";
const HEADER_SIGNATURE: &[u8] = b"PK\x01\x02";
/// Size of a central header without name, extra field and comment.
const HEADER: usize = 46;
/// Largest central directory, in bytes.
const MAX_DIRECTORY: u64 = 64 << 20;
/// What may follow the end record.
const MAX_TRAILING: usize = 64 << 10;

/// What the central directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directory {
    /// Entries, counted.
    pub entries: usize,
    /// Where it begins.
    pub start: u64,
}

/// Finds and walks the central directory: its entries are as many as it says, and it is as long as it says.
pub fn look(archive: &File, limits: &Limits) -> Result<Directory, String> {
    let length = archive.metadata().map_err(|e| e.to_string())?.len();
    let (count, size, start) = end_record(archive, length)?;
    if count > u64::try_from(limits.entries).unwrap_or(u64::MAX) {
        return Err(format!("{count} entries, more than the {} allowed", limits.entries));
    }
    if size > MAX_DIRECTORY {
        return Err(format!("a central directory of {size} bytes, more than the {MAX_DIRECTORY} allowed"));
    }
    if start.checked_add(size).is_none_or(|end| end > length) {
        return Err("its central directory lies outside the file".to_owned());
    }
    let bytes = read(archive, start, usize::try_from(size).map_err(|e| e.to_string())?)?;
    let entries = walk(&bytes)?;
    if u64::try_from(entries).ok() != Some(count) {
        return Err(format!("{entries} entries, not the {count} it says"));
    }
    Ok(Directory { entries, start })
}

/// Number of entries, size and start of the directory.
fn end_record(archive: &File, length: u64) -> Result<(u64, u64, u64), String> {
    let most = u64::try_from(END + 65_535 + MAX_TRAILING).unwrap_or(u64::MAX);
    let tail_length = length.min(most);
    let tail_start = length - tail_length;
    let tail = read(archive, tail_start, usize::try_from(tail_length).map_err(|e| e.to_string())?)?;
    let at = tail
        .windows(END)
        .rposition(|window| window.starts_with(END_SIGNATURE))
        .ok_or("no end record: it is no zip archive, or a truncated one")?;
    let end = tail.get(at..).unwrap_or_default();
    let comment = usize::from(u16_at(end, 20)?);
    let trailing = end.len().checked_sub(END + comment).ok_or("its end record is truncated")?;
    if trailing > MAX_TRAILING {
        return Err(format!("{trailing} bytes after its end"));
    }
    let position = tail_start + u64::try_from(at).unwrap_or(0);
    let parts = [u16_at(end, 4)?, u16_at(end, 6)?];
    let (here, all) = (u16_at(end, 8)?, u16_at(end, 10)?);
    let (size, start) = (u32_at(end, 12)?, u32_at(end, 16)?);
    if all == u16::MAX || size == u32::MAX || start == u32::MAX {
        return end_record64(archive, position);
    }
    if parts != [0, 0] || here != all {
        return Err("it is one part of several".to_owned());
    }
    Ok((u64::from(all), u64::from(size), u64::from(start)))
}

fn end_record64(archive: &File, end: u64) -> Result<(u64, u64, u64), String> {
    let at = end.checked_sub(20).ok_or("no zip64 locator")?;
    let locator = read(archive, at, 20)?;
    if !locator.starts_with(LOCATOR64_SIGNATURE) {
        return Err("no zip64 locator".to_owned());
    }
    let record = read(archive, u64_at(&locator, 8)?, 56)?;
    if !record.starts_with(END64_SIGNATURE) {
        return Err("no zip64 end record".to_owned());
    }
    if u32_at(&record, 16)? != 0 || u32_at(&record, 20)? != 0 || u64_at(&record, 24)? != u64_at(&record, 32)?
    {
        return Err("it is one part of several".to_owned());
    }
    Ok((u64_at(&record, 32)?, u64_at(&record, 40)?, u64_at(&record, 48)?))
}

fn walk(bytes: &[u8]) -> Result<usize, String> {
    let (mut rest, mut entries) = (bytes, 0);
    while !rest.is_empty() {
        if !rest.starts_with(HEADER_SIGNATURE) {
            return Err(format!("damaged central directory after {entries} entries"));
        }
        let variable = [28, 30, 32]
            .iter()
            .try_fold(0_usize, |sum, at| Ok::<_, String>(sum + usize::from(u16_at(rest, *at)?)))?;
        rest = rest.get(HEADER + variable..).ok_or("truncated central directory")?;
        entries += 1;
    }
    Ok(entries)
}

/// Reads the local header of an entry: flags, and its name's bytes.
pub fn local_header(archive: &File, at: u64) -> Result<(u16, Vec<u8>), String> {
    let header = read(archive, at, 30)?;
    if !header.starts_with(b"PK\x03\x04") {
        return Err("no local header".to_owned());
    }
    let name = read(archive, at + 30, usize::from(u16_at(&header, 26)?))?;
    Ok((u16_at(&header, 6)?, name))
}

fn read(archive: &File, at: u64, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    archive.read_exact_at(&mut bytes, at).map_err(|error| format!("truncated: {error}"))?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, String> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64, String> {
    array(bytes, at).map(u64::from_le_bytes)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], String> {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).ok_or_else(|| "truncated".to_owned())
}
