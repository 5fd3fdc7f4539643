//! What an NTFS volume holds, read without a driver: its label, and whether there is anything but what the platform
//! puts on a fresh temporary disk.
//!
//! A hostile volume gets an error at worst, and an error means that the disk isn't formatted. Structures as in the
//! kernel's `fs/ntfs3/ntfs.h`.

use std::collections::BTreeMap;

use waagent_common::bytes::{is_at, pairs, slice_at, u8_at, u16_at, u32_at, u64_at};
use waagent_common::fault::Fault;
use waagent_common::text::cut;

use super::blocks::Blocks;

/// What a fresh disk may hold in its root folder, in lower case.
const PERMITTED: &[&str] = &["dataloss_warning_readme.txt", "system volume information", "$recycle.bin"];
/// Records of the system: root folder, folder of extended metadata, first of the user's.
const ROOT: u64 = 5;
const EXTEND: u64 = 11;
const FIRST_USER: u64 = 24;
const VOLUME: u64 = 3;
/// Records that are looked at; a fresh volume has 256.
const MAX_RECORDS: u64 = 65536;
/// Depth of folders that is followed.
const MAX_DEPTH: usize = 32;
/// Pieces of the master file table.
const MAX_RUNS: usize = 1024;

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Volume label.
    pub label: String,
    /// Files and folders that the platform didn't put there.
    pub foreign: usize,
    /// One of them, for the message.
    pub example: Option<String>,
}

/// Looks through the master file table.
pub fn contents(volume: &(impl Blocks + ?Sized)) -> Result<Contents, Fault> {
    let table = FileTable::open(volume)?;
    let mut label = String::new();
    let mut files = BTreeMap::new();
    for number in 0..table.records {
        let Some(record) = table.record(volume, number)? else { continue };
        if number == VOLUME {
            label = record.attribute(0x60).map(utf16).unwrap_or_default();
        } else if number >= FIRST_USER && record.is_base() {
            files.insert(number, record.name().ok_or_else(|| damaged("a file has no name"))?);
        }
    }
    let foreign: Vec<&String> = files
        .iter()
        .filter(|(number, _)| !is_permitted(&files, **number))
        .map(|(_, (_, name))| name)
        .collect();
    Ok(Contents {
        label,
        foreign: foreign.len(),
        example: foreign.first().map(|name| cut(name, 64).to_owned()),
    })
}

/// Does the way up from this file end in a folder of the platform's?
fn is_permitted(files: &BTreeMap<u64, (u64, String)>, number: u64) -> bool {
    let mut at = number;
    for _ in 0..MAX_DEPTH {
        match files.get(&at) {
            Some((EXTEND, _)) => return true,
            Some((ROOT, name)) => return PERMITTED.contains(&name.to_lowercase().as_str()),
            Some((parent, _)) => at = *parent,
            None => return false,
        }
    }
    false
}

/// The master file table.
#[derive(Debug)]
struct FileTable {
    record_size: usize,
    records: u64,
    /// Pieces: first byte and length.
    runs: Vec<(u64, u64)>,
}

impl FileTable {
    fn open(volume: &(impl Blocks + ?Sized)) -> Result<Self, Fault> {
        let boot = volume.read(0, 512)?;
        let (cluster, record_size, first) =
            geometry(&boot).ok_or_else(|| damaged("its boot sector makes no sense"))?;
        let start = first.checked_mul(cluster).ok_or_else(|| damaged("its file table is nowhere"))?;
        let own = Record::parse(volume.read(start, record_size)?)?
            .ok_or_else(|| damaged("it has no file table"))?;
        if own.attribute_raw(0x20).is_some() {
            return Err(damaged("its file table is in too many pieces"));
        }
        let data = own.attribute_raw(0x80).ok_or_else(|| damaged("its file table has no content"))?;
        let (size, runs) = runs(data, cluster).ok_or_else(|| damaged("its file table has no place"))?;
        let records = size / u64::try_from(record_size).unwrap_or(u64::MAX);
        if records > MAX_RECORDS {
            return Err(damaged(&format!("{records} files, more than a fresh volume has")));
        }
        Ok(Self { record_size, records, runs })
    }

    /// A record that is in use.
    fn record(&self, volume: &(impl Blocks + ?Sized), number: u64) -> Result<Option<Record>, Fault> {
        let size = u64::try_from(self.record_size).unwrap_or(u64::MAX);
        let mut at = number.saturating_mul(size);
        for (start, length) in &self.runs {
            if at < *length {
                return Record::parse(volume.read(start.saturating_add(at), self.record_size)?);
            }
            at -= length;
        }
        Err(damaged("its file table is shorter than it says"))
    }
}

/// Bytes in a cluster, bytes in a record, first cluster of the file table.
fn geometry(boot: &[u8]) -> Option<(u64, usize, u64)> {
    if !is_at(boot, 3, b"NTFS    ") {
        return None;
    }
    let sector = u64::from(u16_at(boot, 11)?);
    let per_cluster = match u8_at(boot, 13)? {
        exact @ 1..=128 => u64::from(exact),
        power => 1_u64.checked_shl(u32::from(power.wrapping_neg()))?,
    };
    let cluster = sector.checked_mul(per_cluster)?;
    let record = match u8_at(boot, 64)? {
        clusters @ 1..=127 => u64::from(clusters).checked_mul(cluster)?,
        power => 1_u64.checked_shl(u32::from(power.wrapping_neg()))?,
    };
    let is_sane = matches!(sector, 512 | 1024 | 2048 | 4096)
        && (512..=2 << 20).contains(&cluster)
        && (512..=4096).contains(&record);
    is_sane.then_some((cluster, usize::try_from(record).ok()?, u64_at(boot, 48)?))
}

/// Size and pieces of content that lies outside its record.
fn runs(attribute: &[u8], cluster: u64) -> Option<(u64, Vec<(u64, u64)>)> {
    if u8_at(attribute, 8)? != 1 {
        return None;
    }
    let size = u64_at(attribute, 48)?;
    let mut rest = attribute.get(usize::from(u16_at(attribute, 32)?)..)?;
    let mut found = Vec::new();
    let mut at: i64 = 0;
    while let Some((head, tail)) = rest.split_first().filter(|(head, _)| **head != 0) {
        let (length_bytes, place_bytes) = (usize::from(head & 15), usize::from(head >> 4));
        let length = signed(slice_at(tail, 0, length_bytes)?)?;
        at = at.checked_add(signed(slice_at(tail, length_bytes, place_bytes)?)?)?;
        let start = u64::try_from(at).ok()?.checked_mul(cluster)?;
        // Without a place it is a hole, and the file table has none.
        if place_bytes == 0 || found.len() >= MAX_RUNS {
            return None;
        }
        found.push((start, u64::try_from(length).ok()?.checked_mul(cluster)?));
        rest = tail.get(length_bytes + place_bytes..)?;
    }
    Some((size, found))
}

/// A number of 1 to 8 bytes with its sign.
fn signed(bytes: &[u8]) -> Option<i64> {
    let sign = if bytes.last()? & 0x80 == 0 { 0 } else { 0xff };
    let mut whole = [sign; 8];
    for (slot, byte) in whole.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    (bytes.len() <= 8).then(|| i64::from_le_bytes(whole))
}

/// A record of the file table.
#[derive(Debug)]
struct Record(Vec<u8>);

impl Record {
    /// Checks and undoes the protection of each sector; none for a record that isn't in use.
    fn parse(mut bytes: Vec<u8>) -> Result<Option<Self>, Fault> {
        if !is_at(&bytes, 0, b"FILE") {
            return if bytes.iter().take(4).all(|byte| *byte == 0) {
                Ok(None)
            } else {
                Err(damaged("a file's record"))
            };
        }
        repair(&mut bytes).ok_or_else(|| damaged("a file's record was written in part"))?;
        let is_used = u16_at(&bytes, 22).unwrap_or_default() & 1 == 1;
        Ok(is_used.then_some(Self(bytes)))
    }

    /// Not the continuation of another record.
    fn is_base(&self) -> bool {
        u64_at(&self.0, 32) == Some(0)
    }

    /// An attribute with its header.
    fn attribute_raw(&self, kind: u32) -> Option<&[u8]> {
        let mut at = usize::from(u16_at(&self.0, 20)?);
        // Each has at least 24 bytes, so this ends.
        loop {
            let found = u32_at(&self.0, at)?;
            let length = usize::try_from(u32_at(&self.0, at + 4)?).ok()?;
            if found == u32::MAX || length < 24 {
                return None;
            }
            if found == kind {
                return slice_at(&self.0, at, length);
            }
            at = at.checked_add(length)?;
        }
    }

    /// Content of an attribute that lies within the record.
    fn attribute(&self, kind: u32) -> Option<&[u8]> {
        let raw = self.attribute_raw(kind)?;
        let length = usize::try_from(u32_at(raw, 16)?).ok()?;
        (u8_at(raw, 8)? == 0).then(|| slice_at(raw, usize::from(u16_at(raw, 20)?), length)).flatten()
    }

    /// Parent folder's record and name.
    fn name(&self) -> Option<(u64, String)> {
        let content = self.attribute(0x30)?;
        let length = usize::from(u8_at(content, 64)?) * 2;
        Some((u64_at(content, 0)? & 0xffff_ffff_ffff, utf16(slice_at(content, 66, length)?)))
    }
}

/// The last two bytes of each 512 were replaced by a number, and are kept in a list.
fn repair(bytes: &mut [u8]) -> Option<()> {
    let list = usize::from(u16_at(bytes, 4)?);
    let count = usize::from(u16_at(bytes, 6)?);
    let number = u16_at(bytes, list)?;
    if count != bytes.len() / 512 + 1 {
        return None;
    }
    for sector in 1..count {
        let end = sector * 512 - 2;
        let original = u16_at(bytes, list + sector * 2)?;
        if u16_at(bytes, end)? != number {
            return None;
        }
        bytes.get_mut(end..end + 2)?.copy_from_slice(&original.to_le_bytes());
    }
    Some(())
}

fn utf16(bytes: &[u8]) -> String {
    String::from_utf16_lossy(&pairs(bytes, u16::from_le_bytes))
}

fn damaged(what: &str) -> Fault {
    Fault::data(format!("the NTFS volume can't be read: {what}"))
}
