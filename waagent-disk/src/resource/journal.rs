//! Which disk was being formatted when the power failed.
//!
//! Written before the first byte of the disk is. It never allows more than to go on with the same disk, while that
//! disk shows nothing but what the journal says that we were making.

use serde::{Deserialize, Serialize};
use waagent_common::documents::{Body, Document, Inputs, path_of, write};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::words;

use super::disk::Disk;
use super::file_system::FileSystem;

/// How far the formatting of a disk is.
///
/// Written and read by waagent-disk alone. Secrets: none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// How far.
    pub(crate) phase: Phase,
    /// The disk's name, which may change.
    pub(crate) name: String,
    /// Its vmbus channel.
    pub(crate) vmbus_id: Option<String>,
    /// Its size in bytes.
    pub(crate) size_bytes: u64,
    /// Where the partition is to be, in bytes.
    pub(crate) start: u64,
    /// How long it is to be, in bytes.
    pub(crate) length: u64,
    /// The file system that is made.
    pub(crate) file_system: FileSystem,
    /// Its UUID, when it is done.
    pub(crate) uuid: Option<String>,
}

words! {
    /// How far.
    pub(crate) enum Phase {
        /// The table is being written.
        Partitioning = "partitioning",
        /// The table is there, the file system is being made.
        Formatting = "formatting",
        /// All is there, durably.
        Done = "done",
    }
}

impl Body for Journal {
    const NAME: &'static str = "disk-journal";
    const PATH: &'static str = "/var/lib/waagent/disk/journal.json";
    const PROGRAM: &'static str = "waagent-disk";
    const WRITER: &'static str = "root";
}

impl Journal {
    /// What the last run left; a damaged journal says nothing, and allows nothing.
    pub fn read(root: &Root) -> Result<Option<Self>, Fault> {
        match Document::<Self>::read_if_there(root) {
            Ok(document) => Ok(document.map(|document| document.body)),
            Err(fault) if fault.exit == Exit::Data => {
                waagent_common::log::warning(&format!("{fault}, ignoring"));
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Writes it durably.
    pub(crate) fn write(&self, root: &Root, sandbox: &Sandbox) -> Result<(), Fault> {
        write(root, self, &Inputs::new(), sandbox).map(|_| ())
    }

    /// Removes it: it is about a disk that is gone.
    pub fn remove(root: &Root) -> Result<(), Fault> {
        durable::remove(&path_of::<Self>(root)).map(|_| ())
    }

    /// Is it about this disk, and not finished? The name counts only where there is no channel to go by.
    pub(crate) fn goes_on_with(&self, disk: &Disk) -> bool {
        let is_same = match (&self.vmbus_id, &disk.vmbus_id) {
            (Some(then), Some(now)) => then == now,
            (None, None) => self.name == disk.name,
            _ => false,
        };
        self.phase != Phase::Done && is_same && self.size_bytes == disk.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_an_earlier_version_is_read_and_written_byte_for_byte() {
        for (phase, file_system) in [("partitioning", "ext4"), ("formatting", "vfat"), ("done", "btrfs")] {
            let old = format!(
                r#"{{"phase":"{phase}","name":"sdb","vmbus_id":null,"size_bytes":1,"start":2,"length":3,"file_system":"{file_system}","uuid":null}}"#
            );
            let read: Journal = serde_json::from_str(&old).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), old);
        }
    }
}
