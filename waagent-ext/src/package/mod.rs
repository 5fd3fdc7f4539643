//! A handler's package: our own copy of what was fetched, looked through, then unpacked.

pub(crate) mod copy;
pub(crate) mod directory;
pub(crate) mod entries;
pub(crate) mod names;
pub mod signature;
pub(crate) mod spelling;
pub mod unpack;

use waagent_common::fault::{Exit, Fault};

/// Bounds on a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The archive, in bytes.
    pub package: u64,
    /// All files unpacked, in bytes.
    pub unpacked: u64,
    /// One file unpacked, in bytes.
    pub file: u64,
    /// Entries.
    pub entries: usize,
    /// What must stay free on the file system, in bytes.
    pub free: u64,
}

impl Limits {
    /// The bounds of the contract, with these sizes in MiB from the configuration.
    pub(crate) fn new(package_mib: u64, unpacked_mib: u64) -> Self {
        Self {
            package: package_mib << 20,
            unpacked: unpacked_mib << 20,
            file: 2 << 30,
            entries: 100_000,
            free: 256 << 20,
        }
    }
}

/// The work on a package ends where this program must.
fn broken_off() -> Fault {
    Fault::new(Exit::TryAgain, "broken off")
}
