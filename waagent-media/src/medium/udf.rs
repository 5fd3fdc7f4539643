//! UDF 1.02 to 2.01: the volume and its root folder.

use std::fmt::Display;
use std::io::{Read, Seek};

use waagent_common::bytes::{is_at, u8_at, u16_at, u32_at};
use waagent_common::fault::Fault;

use super::device::{Device, Extent};
use super::file_entry::{FileEntry, FileKind};
use super::names::dstring;
use super::{Entry, damaged, directory};

/// Tag identifiers (ECMA-167 3/7.2.1 and 4/7.2.1).
const PRIMARY: u16 = 1;
const ANCHOR: u16 = 2;
const PARTITION: u16 = 5;
const LOGICAL_VOLUME: u16 = 6;
const TERMINATING: u16 = 8;
const FILE_SET: u16 = 256;

/// Descriptors of a volume that are looked at.
const MAX_DESCRIPTORS: u32 = 64;
/// Largest root folder, in bytes.
const MAX_FOLDER: u64 = 4 << 20;

/// The volume, as far as reading files needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Volume {
    /// Bytes in a block.
    pub(crate) block: u64,
    /// The partition, in bytes of the device.
    partition: Extent,
}

impl Volume {
    /// A run of bytes that begins with a block of the partition.
    pub(crate) fn extent(&self, block: u32, reference: u16, length: u64) -> Result<Extent, Fault> {
        let outside = || damaged(&format!("block {block} isn't in the partition"));
        if reference != 0 {
            return Err(damaged(&format!("it refers to partition {reference}, and there is one")));
        }
        let start = u64::from(block).checked_mul(self.block).ok_or_else(outside)?;
        if start.checked_add(length).is_none_or(|end| end > self.partition.length) {
            return Err(outside());
        }
        Ok(Extent { offset: self.partition.offset + start, length })
    }
}

/// Label and root folder.
pub(crate) fn root<R: Read + Seek>(device: &mut Device<R>) -> Result<(String, Vec<Entry>), Fault> {
    let (volume, label, file_set) = volume(device)?;
    let bytes = device.read_extent(file_set)?;
    check_tag(&bytes, FILE_SET, "file set")?;
    let root = long_extent(&volume, &bytes, 400)?.ok_or_else(|| damaged("it has no root folder"))?;
    let entry = FileEntry::read(device, &volume, root)?;
    if entry.kind != FileKind::Folder {
        return Err(damaged("its root isn't a folder"));
    }
    let folder = entry.content(device, &volume, MAX_FOLDER)?;
    Ok((label, directory::files(&volume, &folder)?))
}

/// What the file entry at this place describes.
pub(crate) fn content<R: Read + Seek>(
    device: &mut Device<R>,
    entry: Extent,
    max: u64,
) -> Result<Vec<u8>, Fault> {
    let (volume, _, _) = volume(device)?;
    let entry = FileEntry::read(device, &volume, entry)?;
    if entry.kind != FileKind::Regular {
        return Err(damaged("it is no regular file"));
    }
    entry.content(device, &volume, max)
}

/// One block that a long allocation descriptor (ECMA-167 4/14.14.2) at `at` names; none where it is empty.
pub(crate) fn long_extent(volume: &Volume, bytes: &[u8], at: usize) -> Result<Option<Extent>, Fault> {
    let field = || -> Option<(u32, u32, u16)> {
        Some((u32_at(bytes, at)?, u32_at(bytes, at + 4)?, u16_at(bytes, at + 8)?))
    };
    let (length, block, reference) = field().ok_or_else(|| damaged("it ends in a reference"))?;
    if length == 0 {
        return Ok(None);
    }
    volume.extent(block, reference, volume.block).map(Some)
}

/// Checksum, CRC and kind of a descriptor's tag (ECMA-167 3/7.2); `what` it is the tag of.
pub(crate) fn check_tag(bytes: &[u8], expected: u16, what: impl Display) -> Result<(), Fault> {
    let refused = |why: &str| damaged(&format!("{what}: {why}"));
    let tag = bytes.get(..16).ok_or_else(|| refused("shorter than a tag"))?;
    if tag.iter().all(|byte| *byte == 0) {
        return Err(refused("nothing is there"));
    }
    let sum =
        tag.iter().enumerate().filter(|(at, _)| *at != 4).fold(0u8, |sum, (_, byte)| sum.wrapping_add(*byte));
    if u8_at(tag, 4) != Some(sum) {
        return Err(refused("its tag has a wrong checksum"));
    }
    let identifier = u16_at(tag, 0).unwrap_or_default();
    if identifier != expected {
        return Err(refused(&format!("its tag says {identifier}, not {expected}")));
    }
    let length = usize::from(u16_at(tag, 10).unwrap_or_default());
    let covered = bytes.get(16..16 + length).ok_or_else(|| refused("its tag covers more than there is"))?;
    if u16_at(tag, 8) == Some(crc(covered)) {
        Ok(())
    } else {
        Err(refused("its content has a wrong checksum"))
    }
}

/// Blocks of 2048 bytes on discs, of the device's sectors elsewhere; the anchor's place tells (ECMA-167 3/8.4.2.1).
fn volume<R: Read + Seek>(device: &mut Device<R>) -> Result<(Volume, String, Extent), Fault> {
    let mut refused = None;
    for block in [2048_u64, 512, 4096, 1024] {
        let blocks = device.size() / block;
        for anchor in [256, blocks.saturating_sub(1), blocks.saturating_sub(257)] {
            match described(device, block, anchor) {
                Ok(found) => return Ok(found),
                Err(fault) if fault.exit != waagent_common::fault::Exit::Data => return Err(fault),
                Err(fault) => refused = refused.or(Some(fault)),
            }
        }
    }
    Err(refused.unwrap_or_else(|| damaged("it is too small")))
}

/// The volume by the anchor in this block.
fn described<R: Read + Seek>(
    device: &mut Device<R>,
    block: u64,
    anchor: u64,
) -> Result<(Volume, String, Extent), Fault> {
    let bytes = device.read(anchor.saturating_mul(block), block)?;
    check_tag(&bytes, ANCHOR, format_args!("anchor in block {anchor}"))?;
    let main = sequence(device, block, &bytes, 16);
    match main {
        Err(fault) if fault.exit == waagent_common::fault::Exit::Data => {
            sequence(device, block, &bytes, 24).map_err(|_| fault)
        }
        other => other,
    }
}

/// Follows one volume descriptor sequence, whose place is in the anchor at `at`.
fn sequence<R: Read + Seek>(
    device: &mut Device<R>,
    block: u64,
    anchor: &[u8],
    at: usize,
) -> Result<(Volume, String, Extent), Fault> {
    let missing = || damaged("it has no volume descriptors");
    let bytes = u64::from(u32_at(anchor, at).ok_or_else(missing)?);
    let first = u32_at(anchor, at + 4).ok_or_else(missing)?;
    let count = u32::try_from(bytes / block).unwrap_or(MAX_DESCRIPTORS).min(MAX_DESCRIPTORS);
    let mut found = Sequence::default();
    for number in 0..count {
        let offset = (u64::from(first) + u64::from(number)).saturating_mul(block);
        let descriptor = device.read(offset, block)?;
        if found.take(descriptor)? {
            break;
        }
    }
    found.volume(block)
}

/// Descriptors of a sequence: of several of a kind the one with the highest number holds (ECMA-167 3/8.4.3).
#[derive(Debug, Default)]
struct Sequence {
    primary: Option<Vec<u8>>,
    partition: Option<Vec<u8>>,
    logical: Option<Vec<u8>>,
}

impl Sequence {
    /// Takes a descriptor in; says whether it ends the sequence.
    fn take(&mut self, descriptor: Vec<u8>) -> Result<bool, Fault> {
        let Some(kind) = u16_at(&descriptor, 0).filter(|kind| *kind != 0 && *kind != TERMINATING) else {
            return Ok(true);
        };
        check_tag(&descriptor, kind, format_args!("volume descriptor {kind}"))?;
        let slot = match kind {
            PRIMARY => &mut self.primary,
            PARTITION => &mut self.partition,
            LOGICAL_VOLUME => &mut self.logical,
            _ => return Ok(false),
        };
        let number = |bytes: &[u8]| u32_at(bytes, 16);
        if slot.as_deref().and_then(number) <= number(&descriptor) {
            *slot = Some(descriptor);
        }
        Ok(false)
    }

    fn volume(&self, block: u64) -> Result<(Volume, String, Extent), Fault> {
        let partition = self.partition.as_deref().ok_or_else(|| damaged("it has no partition"))?;
        let logical = self.logical.as_deref().ok_or_else(|| damaged("it has no logical volume"))?;
        let short = || damaged("a volume descriptor is too short");
        if u32_at(logical, 212).map(u64::from) != Some(block) {
            return Err(damaged("its blocks have another size than its sectors"));
        }
        let number = u16_at(partition, 22).ok_or_else(short)?;
        if u32_at(logical, 268) != Some(1) || !is_at(logical, 440, &[1, 6]) {
            return Err(damaged("its partition is virtual, sparable or of UDF 2.50, which isn't read here"));
        }
        if u16_at(logical, 444) != Some(number) {
            return Err(damaged("its logical volume names another partition"));
        }
        let start = u64::from(u32_at(partition, 188).ok_or_else(short)?);
        let length = u64::from(u32_at(partition, 192).ok_or_else(short)?);
        let partition = Extent { offset: start.saturating_mul(block), length: length.saturating_mul(block) };
        let volume = Volume { block, partition };
        let file_set = long_extent(&volume, logical, 248)?.ok_or_else(|| damaged("it has no file set"))?;
        let label = self.primary.as_deref().and_then(|bytes| bytes.get(24..56)).map(dstring);
        Ok((volume, label.unwrap_or_default(), file_set))
    }
}

/// CRC-16 with polynomial 0x1021, from 0 (ECMA-167 3/7.2.6).
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}
