//! Files of UDF: what they are, and where their content is.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use waagent_common::bytes::{slice_at, u8_at, u16_at, u32_at, u64_at};
use waagent_common::fault::Fault;

use super::damaged;
use super::device::{Device, Extent};
use super::udf::{Volume, check_tag};

/// Tag identifiers (ECMA-167 4/7.2.1).
const ALLOCATION_EXTENT: u16 = 258;
const FILE_ENTRY: u16 = 261;
const EXTENDED_FILE_ENTRY: u16 = 266;
/// Extents of one file, at most: 4 MiB in blocks of 512.
const MAX_EXTENTS: usize = 8192;
/// Blocks that continue a list of extents, at most.
const MAX_CONTINUATIONS: usize = 64;

/// What a file entry describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Folder,
    Regular,
    Other,
}

/// A file entry (ECMA-167 4/14.9) or extended file entry (4/14.17).
#[derive(Debug)]
pub(crate) struct FileEntry {
    pub(crate) kind: FileKind,
    size: u64,
    /// How the content is described: 0 short, 1 long descriptors, 3 it is the content itself.
    form: u16,
    descriptors: Vec<u8>,
}

impl FileEntry {
    pub(crate) fn read<R: Read + Seek>(
        device: &mut Device<R>,
        volume: &Volume,
        at: Extent,
    ) -> Result<Self, Fault> {
        let bytes = device.read(at.offset, volume.block)?;
        let identifier = u16_at(&bytes, 0).unwrap_or_default();
        let lengths = match identifier {
            FILE_ENTRY => 168,
            EXTENDED_FILE_ENTRY => 208,
            other => return Err(damaged(&format!("a file entry has tag {other}"))),
        };
        check_tag(&bytes, identifier, "file entry")?;
        Self::parse(&bytes, lengths).ok_or_else(|| damaged("a file entry is longer than its block"))
    }

    fn parse(bytes: &[u8], lengths: usize) -> Option<Self> {
        let attributes = usize::try_from(u32_at(bytes, lengths)?).ok()?;
        let length = usize::try_from(u32_at(bytes, lengths + 4)?).ok()?;
        let start = (lengths + 8).checked_add(attributes)?;
        // Strategy 4: one entry for a file, not a list of its versions (ECMA-167 4/A.5).
        let kind = match (u16_at(bytes, 20)?, u8_at(bytes, 27)?) {
            (4, 4) => FileKind::Folder,
            (4, 5) => FileKind::Regular,
            _ => FileKind::Other,
        };
        Some(Self {
            kind,
            size: u64_at(bytes, 56)?,
            form: u16_at(bytes, 34)? & 7,
            descriptors: slice_at(bytes, start, length)?.to_vec(),
        })
    }

    /// The content, at most `max` bytes.
    pub(crate) fn content<R: Read + Seek>(
        &self,
        device: &mut Device<R>,
        volume: &Volume,
        max: u64,
    ) -> Result<Vec<u8>, Fault> {
        if self.size > max {
            return Err(damaged(&format!("{} bytes, more than the {max} allowed", self.size)));
        }
        let short = || damaged("a file is shorter than its entry says");
        let size = usize::try_from(self.size).map_err(|_| short())?;
        if self.form == 3 {
            return self.descriptors.get(..size).map(<[u8]>::to_vec).ok_or_else(short);
        }
        let mut content = Vec::new();
        for extent in self.extents(device, volume)? {
            let wanted = self.size - u64::try_from(content.len()).unwrap_or(self.size);
            if wanted == 0 {
                break;
            }
            let part = Extent { length: extent.length.min(wanted), ..extent };
            content.extend(device.read_extent(part)?);
        }
        if content.len() == size { Ok(content) } else { Err(short()) }
    }

    /// The runs of bytes that hold the content. Lists that continue in another block are followed, each block once.
    fn extents<R: Read + Seek>(&self, device: &mut Device<R>, volume: &Volume) -> Result<Vec<Extent>, Fault> {
        let step = match self.form {
            0 => 8,
            1 => 16,
            other => return Err(damaged(&format!("a file's extents have form {other}"))),
        };
        let mut extents = Vec::new();
        let mut seen = BTreeSet::new();
        let mut list = self.descriptors.clone();
        loop {
            let Some(next) = take(&list, step, volume, &mut extents)? else { return Ok(extents) };
            if !seen.insert(next) || seen.len() > MAX_CONTINUATIONS {
                return Err(damaged("a list of extents goes round in a circle"));
            }
            let block = device.read(next.offset, volume.block)?;
            check_tag(&block, ALLOCATION_EXTENT, "list of extents")?;
            let length = u32_at(&block, 20).and_then(|length| usize::try_from(length).ok());
            let rest = length.and_then(|length| slice_at(&block, 24, length));
            list = rest.ok_or_else(|| damaged("a list of extents is longer than its block"))?.to_vec();
        }
    }
}

/// Takes in one list of allocation descriptors; returns where it goes on, if it does.
fn take(
    list: &[u8],
    step: usize,
    volume: &Volume,
    extents: &mut Vec<Extent>,
) -> Result<Option<Extent>, Fault> {
    for descriptor in list.chunks_exact(step) {
        let length = u32_at(descriptor, 0).unwrap_or_default();
        let block = u32_at(descriptor, 4).unwrap_or_default();
        let reference = if step == 16 { u16_at(descriptor, 8).unwrap_or_default() } else { 0 };
        // The two upper bits say what the extent is, the others how long (ECMA-167 4/14.14.1.1).
        let bytes = u64::from(length & 0x3fff_ffff);
        if bytes == 0 {
            return Ok(None);
        }
        match length >> 30 {
            0 if extents.len() >= MAX_EXTENTS => return Err(damaged("a file has too many extents")),
            0 => extents.push(volume.extent(block, reference, bytes)?),
            3 => return volume.extent(block, reference, volume.block).map(Some),
            _ => return Err(damaged("a file has holes")),
        }
    }
    Ok(None)
}
