//! Reading a device, within a budget.

use std::io::{Read, Seek, SeekFrom};

use waagent_common::fault::Fault;

use super::damaged;

/// All that is ever read from one medium, in bytes: volume structures, a root folder of 4096 entries with long names,
/// and a few files of 1 MiB.
pub(crate) const BUDGET: u64 = 16 << 20;

/// A run of bytes on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    /// Where, in bytes from the device's beginning.
    pub(crate) offset: u64,
    /// How many bytes.
    pub(crate) length: u64,
}

/// The device, with a bound on what is read from it.
#[derive(Debug)]
pub(crate) struct Device<R> {
    source: R,
    size: u64,
    left: u64,
}

impl<R: Read + Seek> Device<R> {
    pub(crate) fn new(mut source: R) -> Result<Self, Fault> {
        let size = source.seek(SeekFrom::End(0)).map_err(|e| unreadable("its size", &e))?;
        Ok(Self { source, size, left: BUDGET })
    }

    /// Size in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Is this run within the device?
    pub(crate) fn holds(&self, extent: Extent) -> bool {
        extent.offset.checked_add(extent.length).is_some_and(|end| end <= self.size)
    }

    /// Reads a run of bytes, all or nothing.
    pub(crate) fn read_extent(&mut self, extent: Extent) -> Result<Vec<u8>, Fault> {
        if !self.holds(extent) {
            let (at, size) = (extent.offset, self.size);
            return Err(damaged(&format!("{} bytes at {at} aren't on a device of {size}", extent.length)));
        }
        self.left = self
            .left
            .checked_sub(extent.length)
            .ok_or_else(|| damaged(&format!("it wants more than {BUDGET} bytes read")))?;
        // At most the budget, so it fits.
        let length = usize::try_from(extent.length).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        let what = "what it refers to";
        self.source.seek(SeekFrom::Start(extent.offset)).map_err(|e| unreadable(what, &e))?;
        self.source.read_exact(&mut bytes).map_err(|e| unreadable(what, &e))?;
        Ok(bytes)
    }

    /// Like [`Device::read_extent`].
    pub(crate) fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        self.read_extent(Extent { offset, length })
    }
}

fn unreadable(what: &str, error: &std::io::Error) -> Fault {
    Fault::io(format!("cannot read {what} from the medium: {error}"))
}
