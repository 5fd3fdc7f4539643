//! Partitions, in whichever table they are.

/// Partitions begin and the first one of ours is at this multiple, in bytes.
pub(crate) const ALIGNMENT: u64 = 1 << 20;

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 1.
    pub(crate) number: u32,
    /// What its type says.
    pub(crate) kind: Kind,
    /// Where it begins, in bytes.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// A partition's type, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Linux file system.
    Linux,
    /// NTFS and its like.
    Windows,
    /// Microsoft's reserved partition.
    Reserved,
    /// Anything else.
    Other,
}

/// A table to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTable {
    /// Offsets and bytes, in the order of writing.
    pub(crate) writes: Vec<(u64, Vec<u8>)>,
    /// The partition that it has.
    pub(crate) partition: Partition,
}
