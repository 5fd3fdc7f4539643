//! Everything that the decision is made from, gathered before any of it is made.

use std::path::PathBuf;

use nix::errno::Errno;
use waagent_common::fault::{Exit, Fault};

use super::disk::{Child, Disk, Number};
use super::file_system::FileSystem;
use super::journal::Journal;
use super::mounts::{self, Mount};
use super::ntfs::{self, Contents};
use super::partition::Partition;
use super::superblock::{self, Signature, Signatures};
use super::table::{self, Table};

/// What a disk is used for and what is on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Mounts of the disk and its partitions.
    pub(crate) mounts: Vec<Mount>,
    /// Device mapper, md.
    pub(crate) holders: Vec<String>,
    /// It, or a partition, is swapped on.
    pub(crate) swaps: Vec<PathBuf>,
    /// Somebody else has it open for himself alone.
    pub(crate) is_held: bool,
    /// Write-protected.
    pub(crate) is_read_only: bool,
    /// Both ends of the disk.
    pub(crate) whole: Signatures,
    /// Its partition table.
    pub(crate) table: Table,
    /// Its partitions by the table.
    pub(crate) parts: Vec<Part>,
    /// A journal about this disk, that isn't finished.
    pub(crate) journal: Option<Journal>,
}

/// A partition by the table, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The table's entry.
    pub(crate) entry: Partition,
    /// Both ends.
    pub(crate) signatures: Signatures,
    /// Volume label, of file systems that we make.
    pub(crate) label: Option<String>,
    /// UUID, of file systems that we make.
    pub(crate) uuid: Option<String>,
    /// What an NTFS volume holds, or why that isn't known.
    pub(crate) ntfs: Option<Result<Contents, Fault>>,
}

impl Facts {
    /// Looks at everything; an unreadable sector is an error (74).
    pub fn gather(disk: &Disk, journal: Option<Journal>) -> Result<Self, Fault> {
        let children = disk.children();
        let numbers: Vec<Number> =
            std::iter::once(disk.number).chain(children.iter().map(|child| child.number)).collect();
        disk.forget_cached()?;
        let table = table::read(&disk.whole(), disk.sector)?;
        let entries = match &table {
            Table::Mbr(entries) | Table::Gpt(entries) => entries.clone(),
            Table::None | Table::Damaged(_) => Vec::new(),
        };
        Ok(Self {
            mounts: mounts::all()?.into_iter().filter(|mount| numbers.contains(&mount.number)).collect(),
            holders: disk.holders(),
            swaps: swaps(&numbers)?,
            is_held: is_held(disk, &children)?,
            is_read_only: disk.is_read_only(),
            whole: Signatures::read(&disk.whole())?,
            table,
            parts: entries.into_iter().map(|entry| Part::look(disk, entry)).collect::<Result<_, _>>()?,
            journal: journal.filter(|journal| journal.goes_on_with(disk)),
        })
    }

    /// UUID of the file system on the only partition.
    pub fn uuid(&self) -> Option<String> {
        if let [only] = self.parts.as_slice() { only.uuid.clone() } else { None }
    }
}

impl Part {
    fn look(disk: &Disk, entry: Partition) -> Result<Self, Fault> {
        let region = disk.region(entry.start, entry.length);
        let signatures = Signatures::read(&region)?;
        let (mut label, mut uuid, mut ntfs) = (None, None, None);
        if let [Signature::FileSystem(only)] = signatures.found.as_slice() {
            label = superblock::label(&region, *only)?;
            uuid = superblock::uuid(&region, *only)?;
            if *only == FileSystem::Ntfs {
                ntfs = match ntfs::contents(&region) {
                    Err(fault) if fault.exit != Exit::Data => return Err(fault),
                    looked => Some(looked),
                };
            }
        }
        Ok(Self { entry, signatures, label, uuid, ntfs })
    }
}

fn swaps(numbers: &[Number]) -> Result<Vec<PathBuf>, Fault> {
    let is_ours = |path: &PathBuf| {
        // A swap area that is gone from its name isn't on a disk that we look at by name.
        std::fs::metadata(path)
            .ok()
            .and_then(|meta| Number::of(&meta))
            .is_some_and(|number| numbers.contains(&number))
    };
    Ok(mounts::swaps()?.into_iter().filter(is_ours).collect())
}

/// The kernel says so itself: it refuses to open the disk, or a partition, for one alone.
fn is_held(disk: &Disk, children: &[Child]) -> Result<bool, Fault> {
    let tries = std::iter::once(disk.try_alone()).chain(children.iter().map(Child::try_alone));
    for (at, tried) in tries.enumerate() {
        match tried {
            Err(Errno::EBUSY) => return Ok(true),
            Ok(()) => {}
            // A partition whose node isn't there isn't in use.
            Err(_) if at > 0 => {}
            Err(error) => return Err(Fault::io(format!("cannot open '{}': {error}", disk.node.display()))),
        }
    }
    Ok(false)
}
