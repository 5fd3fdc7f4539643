//! Reads the root folder of a DVD in user space: UDF 1.02 to 2.01 (ECMA-167) and ISO 9660 (ECMA-119) with Rock Ridge and
//! Joliet names.
//!
//! Every byte is foreign. Nothing recurses, every pointer is followed once, every offset is checked against the device's
//! size, every length against a bound before memory is asked for, and all reads together against [`device::BUDGET`].
//! A damaged medium is a [`Fault`] of exit 65, a device that doesn't answer one of 74.

use std::io::{Read, Seek};

use waagent_common::fault::{Exit, Fault};
use waagent_common::text::shown;

use device::{Device, Extent};

mod descriptor;
mod device;
mod directory;
mod file_entry;
mod iso9660;
mod names;
mod udf;

/// What is looked at in the root folder, at most.
pub(crate) const MAX_ENTRIES: usize = 4096;

/// A file system that this reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// ECMA-167.
    Udf,
    /// ECMA-119.
    Iso9660,
}

impl FileSystem {
    /// Its name, as the documents write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Udf => "udf",
            Self::Iso9660 => "iso9660",
        }
    }
}

/// What is on a device.
#[derive(Debug)]
pub enum Content<R> {
    /// A medium that can be read.
    Medium(Medium<R>),
    /// A FAT file system: the kernel's affair.
    Fat,
    /// Nothing that is known here.
    Unknown,
}

/// A medium whose root folder has been read.
#[derive(Debug)]
pub struct Medium<R> {
    device: Device<R>,
    /// Which file system.
    pub file_system: FileSystem,
    /// Volume label.
    pub label: String,
    /// The root folder, without folders.
    pub files: Vec<Entry>,
}

/// A file in the root folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name, as the medium writes it (without the `;1` of ISO 9660).
    pub name: String,
    pub(crate) place: Place,
}

/// Where a file's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Within the device, at these bytes.
    Extent(Extent),
    /// UDF: described by a file entry, which is read when the file is.
    FileEntry(Extent),
    /// In parts that aren't neighbours.
    Split,
}

/// Reads volume structures and root folder. The seek position of `source` doesn't matter.
pub fn open<R: Read + Seek>(source: R) -> Result<Content<R>, Fault> {
    let mut device = Device::new(source)?;
    let recognised = descriptor::recognise(&mut device)?;
    let mut refused = None;
    for file_system in recognised.file_systems() {
        let read = match file_system {
            FileSystem::Udf => udf::root(&mut device),
            FileSystem::Iso9660 => iso9660::root(&mut device),
        };
        match read {
            Ok((label, files)) => return Ok(Content::Medium(Medium { device, file_system, label, files })),
            // A bridge medium says everything twice: what the first half can't, the second may.
            Err(fault) if fault.exit == Exit::Data => refused = refused.or(Some(fault)),
            Err(fault) => return Err(fault),
        }
    }
    match refused {
        Some(fault) => Err(fault),
        None if recognised.is_fat => Ok(Content::Fat),
        None => Ok(Content::Unknown),
    }
}

impl<R: Read + Seek> Medium<R> {
    /// The file of this name, or what becomes of it in ISO 9660 alone, which knows capitals, digits and `_` only.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let plain = name.replace('-', "_");
        let is_meant = |entry: &&Entry| {
            entry.name.eq_ignore_ascii_case(name)
                || (self.file_system == FileSystem::Iso9660 && entry.name.eq_ignore_ascii_case(&plain))
        };
        self.files.iter().find(|entry| entry.name == name).or_else(|| self.files.iter().find(is_meant))
    }

    /// A file's bytes, at most `max`.
    pub fn read(&mut self, entry: &Entry, max: u64) -> Result<Vec<u8>, Fault> {
        let refuse = |why: &str| damaged(&format!("cannot read '{}': {why}", shown(&entry.name)));
        match &entry.place {
            Place::Split => Err(refuse("it is in parts that aren't neighbours")),
            Place::Extent(extent) if extent.length > max => {
                Err(refuse(&format!("{} bytes, more than the {max} allowed", extent.length)))
            }
            Place::Extent(extent) => self.device.read_extent(*extent),
            Place::FileEntry(at) => udf::content(&mut self.device, *at, max).map_err(|mut fault| {
                fault.text = format!("cannot read '{}': {}", shown(&entry.name), fault.text);
                fault
            }),
        }
    }
}

/// The medium makes no sense.
pub(crate) fn damaged(what: &str) -> Fault {
    Fault::data(format!("the medium is damaged: {what}"))
}
