//! Which file system a medium has.

use std::io::{Read, Seek};

use waagent_common::bytes::is_at;
use waagent_common::fault::Fault;

use super::FileSystem;
use super::device::Device;

/// Where the volume recognition sequence begins (ECMA-167 2/8.3, ECMA-119 6.2.1), and how big its parts are.
pub(crate) const VOLUME_SEQUENCE: u64 = 32 << 10;
pub(crate) const SECTOR: u64 = 2048;
/// How many parts are looked at.
const MAX_PARTS: u64 = 64;

/// What a device's first sectors say that it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Recognised {
    udf: bool,
    iso9660: bool,
    pub(crate) is_fat: bool,
}

impl Recognised {
    /// In the order in which they are tried.
    pub(crate) fn file_systems(self) -> impl Iterator<Item = FileSystem> {
        let udf = self.udf.then_some(FileSystem::Udf);
        udf.into_iter().chain(self.iso9660.then_some(FileSystem::Iso9660))
    }
}

/// Looks at the volume recognition sequence, and for a FAT boot sector.
pub(crate) fn recognise<R: Read + Seek>(device: &mut Device<R>) -> Result<Recognised, Fault> {
    let mut found = Recognised::default();
    if device.size() < 512 {
        return Ok(found);
    }
    let boot = device.read(0, 512)?;
    found.is_fat = is_at(&boot, 510, &[0x55, 0xaa]) && (is_at(&boot, 54, b"FAT") || is_at(&boot, 82, b"FAT"));
    for part in 0..MAX_PARTS {
        let offset = VOLUME_SEQUENCE + part * SECTOR;
        if offset + SECTOR > device.size() {
            break;
        }
        let bytes = device.read(offset, 6)?;
        match bytes.get(1..6) {
            Some(b"CD001") => found.iso9660 = true,
            Some(b"NSR02" | b"NSR03") => found.udf = true,
            // Blocks of 4096 bytes leave every second part empty.
            Some(b"BEA01" | b"TEA01" | b"BOOT2" | b"CDW02" | [0, 0, 0, 0, 0]) => {}
            _ => break,
        }
    }
    Ok(found)
}
