//! Reading bytes of a disk or a part of it, never past its end.

use std::fs::File;
use std::os::unix::fs::FileExt;

use waagent_common::fault::Fault;

use waagent_common::bytes::slice_at;

/// Something with a size that can be read anywhere.
pub trait Blocks {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// Exactly these bytes; past the end is an error, and so is a sector that can't be read.
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Fault>;
}

/// A run of bytes of an open disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region<'a> {
    /// The disk.
    pub(crate) file: &'a File,
    /// Where the run begins, in bytes.
    pub(crate) offset: u64,
    /// How long it is, in bytes.
    pub(crate) length: u64,
}

impl Blocks for Region<'_> {
    fn size(&self) -> u64 {
        self.length
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        check(self.length, offset, length)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.offset + offset).map_err(|error| {
            Fault::io(format!("cannot read the disk at byte {}: {error}", self.offset + offset))
        })?;
        Ok(bytes)
    }
}

impl Blocks for [u8] {
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        check(self.size(), offset, length)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(slice_at(self, start, length).unwrap_or_default().to_vec())
    }
}

fn check(size: u64, offset: u64, length: usize) -> Result<(), Fault> {
    let end = u64::try_from(length).ok().and_then(|length| offset.checked_add(length));
    if end.is_some_and(|end| end <= size) {
        return Ok(());
    }
    Err(Fault::data(format!("{length} bytes at {offset} aren't on a disk of {size}")))
}
