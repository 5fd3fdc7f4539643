//! The central directory of a zip archive: what is in it, where, and by which name.
//!
//! Only its bytes are kept and where each record begins: a hundred thousand entries, each taken apart into names, would
//! be many times as big.
//!
//! Layout: APPNOTE.TXT 6.3.10 of PKWARE, 4.3.12 to 4.3.16.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;

use waagent_common::bytes::{u16_at, u32_at, u64_at};
use waagent_common::fault::Fault;

use super::Limits;
use super::spelling::Spelling;

/// Size of the end record without its comment; the comment has at most 65 535 bytes.
const END: usize = 22;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const END64_SIGNATURE: &[u8] = b"PK\x06\x06";
const LOCATOR64_SIGNATURE: &[u8] = b"PK\x06\x07";
const HEADER_SIGNATURE: &[u8] = b"PK\x01\x02";
/// Size of a central header without name, extra field and comment.
const HEADER: usize = 46;
/// Largest central directory, in bytes: names of 160 bytes for each of 100 000 entries. It is held in memory.
const MAX_DIRECTORY: u64 = 20 << 20;
/// What may follow the end record.
const MAX_TRAILING: usize = 64 << 10;

/// The records of an archive.
#[derive(Debug)]
pub(crate) struct Directory {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

/// Finds and walks the central directory: its entries are as many as it says, and it is as long as it says.
pub(crate) fn look(archive: &File, limits: &Limits) -> Result<Directory, Fault> {
    let length = archive.metadata().map_err(|e| Fault::io(e.to_string()))?.len();
    let (count, size, start) = end_record(archive, length)?;
    if count > u64::try_from(limits.entries).unwrap_or(u64::MAX) {
        return Err(Fault::data(format!("{count} entries, more than the {} allowed", limits.entries)));
    }
    if size > MAX_DIRECTORY {
        return Err(Fault::data(format!(
            "a central directory of {size} bytes, more than the {MAX_DIRECTORY} allowed"
        )));
    }
    if start.checked_add(size).is_none_or(|end| end > length) {
        return Err(Fault::data("its central directory lies outside the file"));
    }
    let bytes = read(archive, start, usize::try_from(size).map_err(|e| Fault::data(e.to_string()))?)?;
    let starts = walk(&bytes)?;
    if u64::try_from(starts.len()).ok() != Some(count) {
        return Err(Fault::data(format!("{} entries, not the {count} it says", starts.len())));
    }
    Ok(Directory { bytes, starts })
}

impl Directory {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The record of this number.
    pub(crate) fn record(&self, index: usize) -> Result<Record<'_>, Fault> {
        let start = self.starts.get(index).copied().ok_or_else(|| Fault::data("no such entry"))?;
        Record::parse(self.bytes.get(start..).unwrap_or_default())
    }
}

/// What the directory says about an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Bits: encrypted, name in UTF-8 ...
    pub(crate) flags: u16,
    /// How it is packed.
    pub(crate) method: u16,
    /// CRC-32 of its content.
    pub(crate) checksum: u32,
    /// Size as packed, in bytes.
    pub(crate) packed: u64,
    /// Size of its content, in bytes.
    pub(crate) size: u64,
    /// File type and permissions as of inode(7); 0 where the system that packed it has none.
    pub(crate) mode: u32,
    /// Where its local header is.
    pub(crate) header: u64,
    /// Its name's bytes.
    pub(crate) raw_name: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let name_end = HEADER + usize::from(u16_at(bytes, 28).ok_or_else(truncated)?);
        let extra_end = name_end + usize::from(u16_at(bytes, 30).ok_or_else(truncated)?);
        let mut long = Zip64::of(bytes.get(name_end..extra_end).ok_or_else(truncated)?);
        Ok(Self {
            flags: u16_at(bytes, 8).ok_or_else(truncated)?,
            method: u16_at(bytes, 10).ok_or_else(truncated)?,
            checksum: u32_at(bytes, 16).ok_or_else(truncated)?,
            // In this order in the extra field.
            size: long.instead_of(u32_at(bytes, 24).ok_or_else(truncated)?)?,
            packed: long.instead_of(u32_at(bytes, 20).ok_or_else(truncated)?)?,
            header: long.instead_of(u32_at(bytes, 42).ok_or_else(truncated)?)?,
            mode: mode(u16_at(bytes, 4).ok_or_else(truncated)?, u32_at(bytes, 38).ok_or_else(truncated)?),
            raw_name: bytes.get(HEADER..name_end).ok_or_else(truncated)?,
        })
    }

    /// Its name.
    pub(crate) fn name(&self) -> Cow<'a, str> {
        self.spelling().text()
    }

    /// Its name's bytes with what they mean.
    pub(crate) fn spelling(&self) -> Spelling<'a> {
        Spelling::new(self.raw_name, self.flags & UTF_8 != 0)
    }

    /// Is it a folder, by its mode or its name?
    pub(crate) fn is_folder(&self) -> bool {
        self.mode & TYPE == FOLDER || self.raw_name.ends_with(b"/")
    }
}

/// Numbers of eight bytes, where those of four don't do (4.5.3).
struct Zip64<'a>(&'a [u8]);

impl<'a> Zip64<'a> {
    fn of(extra: &'a [u8]) -> Self {
        let mut rest = extra;
        while let (Some(id), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let field = rest.get(4..4 + usize::from(length)).unwrap_or_default();
            if id == 1 {
                return Self(field);
            }
            rest = rest.get(4 + usize::from(length)..).unwrap_or_default();
        }
        Self(&[])
    }

    fn instead_of(&mut self, short: u32) -> Result<u64, Fault> {
        if short != u32::MAX {
            return Ok(u64::from(short));
        }
        let long = u64_at(self.0, 0).ok_or_else(truncated)?;
        self.0 = self.0.get(8..).unwrap_or_default();
        Ok(long)
    }
}

/// By the system that packed it (4.4.2): 3 is Unix, 0 MS-DOS, whose bit 4 is a folder's.
fn mode(made_by: u16, attributes: u32) -> u32 {
    match made_by >> 8 {
        3 => attributes >> 16,
        0 if attributes & 0x10 != 0 => FOLDER,
        _ => 0,
    }
}

/// Number of entries, size and start of the directory.
fn end_record(archive: &File, length: u64) -> Result<(u64, u64, u64), Fault> {
    let most = u64::try_from(END + 65_535 + MAX_TRAILING).unwrap_or(u64::MAX);
    let tail_length = length.min(most);
    let tail_start = length - tail_length;
    let tail =
        read(archive, tail_start, usize::try_from(tail_length).map_err(|e| Fault::data(e.to_string()))?)?;
    let at = tail
        .windows(END)
        .rposition(|window| window.starts_with(END_SIGNATURE))
        .ok_or_else(|| Fault::data("no end record: it is no zip archive, or a truncated one"))?;
    let end = tail.get(at..).unwrap_or_default();
    let comment = usize::from(u16_at(end, 20).ok_or_else(truncated)?);
    let trailing =
        end.len().checked_sub(END + comment).ok_or_else(|| Fault::data("its end record is truncated"))?;
    if trailing > MAX_TRAILING {
        return Err(Fault::data(format!("{trailing} bytes after its end")));
    }
    let position = tail_start + u64::try_from(at).unwrap_or(0);
    let parts = [u16_at(end, 4).ok_or_else(truncated)?, u16_at(end, 6).ok_or_else(truncated)?];
    let (here, all) = (u16_at(end, 8).ok_or_else(truncated)?, u16_at(end, 10).ok_or_else(truncated)?);
    let (size, start) = (u32_at(end, 12).ok_or_else(truncated)?, u32_at(end, 16).ok_or_else(truncated)?);
    // Exactly 65 535 entries are no sign of the longer form: Python writes such archives without it.
    let is_long =
        size == u32::MAX || start == u32::MAX || (all == u16::MAX && has_locator64(archive, position));
    if is_long {
        return end_record64(archive, position);
    }
    if parts != [0, 0] || here != all {
        return Err(Fault::data("it is one part of several"));
    }
    Ok((u64::from(all), u64::from(size), u64::from(start)))
}

fn has_locator64(archive: &File, end: u64) -> bool {
    let locator = end.checked_sub(20).and_then(|at| read(archive, at, 20).ok());
    locator.is_some_and(|locator| locator.starts_with(LOCATOR64_SIGNATURE))
}

fn end_record64(archive: &File, end: u64) -> Result<(u64, u64, u64), Fault> {
    let at = end.checked_sub(20).ok_or_else(|| Fault::data("no zip64 locator"))?;
    let locator = read(archive, at, 20)?;
    if !locator.starts_with(LOCATOR64_SIGNATURE) {
        return Err(Fault::data("no zip64 locator"));
    }
    let record = read(archive, u64_at(&locator, 8).ok_or_else(truncated)?, 56)?;
    if !record.starts_with(END64_SIGNATURE) {
        return Err(Fault::data("no zip64 end record"));
    }
    if u32_at(&record, 16).ok_or_else(truncated)? != 0
        || u32_at(&record, 20).ok_or_else(truncated)? != 0
        || u64_at(&record, 24).ok_or_else(truncated)? != u64_at(&record, 32).ok_or_else(truncated)?
    {
        return Err(Fault::data("it is one part of several"));
    }
    Ok((
        u64_at(&record, 32).ok_or_else(truncated)?,
        u64_at(&record, 40).ok_or_else(truncated)?,
        u64_at(&record, 48).ok_or_else(truncated)?,
    ))
}

/// Where each record begins.
fn walk(bytes: &[u8]) -> Result<Vec<usize>, Fault> {
    let (mut at, mut starts) = (0, Vec::new());
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if !rest.starts_with(HEADER_SIGNATURE) {
            return Err(Fault::data(format!("damaged central directory after {} entries", starts.len())));
        }
        let variable = [28, 30, 32].iter().try_fold(0_usize, |sum, at| {
            Ok::<_, Fault>(sum + usize::from(u16_at(rest, *at).ok_or_else(truncated)?))
        })?;
        starts.push(at);
        at += HEADER + variable;
    }
    if at == bytes.len() { Ok(starts) } else { Err(Fault::data("truncated central directory")) }
}

/// What stands in front of an entry's content.
#[derive(Debug)]
pub(crate) struct LocalHeader {
    /// Bits, as in the directory.
    pub(crate) flags: u16,
    /// The name's bytes.
    pub(crate) name: Vec<u8>,
    /// Where the content begins.
    pub(crate) data: u64,
}

/// Reads the local header of an entry.
pub(crate) fn local_header(archive: &File, at: u64) -> Result<LocalHeader, Fault> {
    let header = read(archive, at, 30)?;
    if !header.starts_with(b"PK\x03\x04") {
        return Err(Fault::data("no local header"));
    }
    let (name, extra) =
        (u16_at(&header, 26).ok_or_else(truncated)?, u16_at(&header, 28).ok_or_else(truncated)?);
    let data = at.checked_add(30 + u64::from(name) + u64::from(extra)).ok_or_else(truncated)?;
    Ok(LocalHeader {
        flags: u16_at(&header, 6).ok_or_else(truncated)?,
        name: read(archive, at + 30, usize::from(name))?,
        data,
    })
}

fn truncated() -> Fault {
    Fault::data("truncated")
}

fn read(archive: &File, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; length];
    archive.read_exact_at(&mut bytes, at).map_err(|error| Fault::data(format!("truncated: {error}")))?;
    Ok(bytes)
}

/// Flag of a name in UTF-8.
const UTF_8: u16 = 1 << 11;
/// File type bits of a mode, see inode(7), and a folder's.
pub(crate) const TYPE: u32 = 0o170_000;
/// See [`TYPE`].
pub(crate) const FOLDER: u32 = 0o040_000;
