//! What the machine's DHCP client was told: option 245, the WireServer's address, in its lease files.
//!
//! All in them is foreign: a file is bounded, and one that is damaged is said with its line, and passed over.

use std::net::Ipv4Addr;
use std::time::SystemTime;

pub(crate) mod dhclient;
pub(crate) mod dhcpcd;
pub(crate) mod files;
pub(crate) mod keyvalue;

/// Number of the option (documented by the platform; private use by RFC 3942).
pub(crate) const OPTION: u8 = 245;

/// A lease that names the WireServer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    /// Its file.
    pub(crate) file: String,
    /// The interface it is for, if file or name tell.
    pub(crate) interface: Option<String>,
    /// When the file was last changed.
    pub(crate) modified: SystemTime,
    /// Value of option 245.
    pub(crate) address: Ipv4Addr,
}

/// What a parser found in one file: the address, and the interface if the file names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Value of option 245 of the lease that holds.
    pub(crate) address: Option<Ipv4Addr>,
    /// Interface that the file names.
    pub(crate) interface: Option<String>,
}

/// The lease to go by: that of the primary interface, else the one that was written last.
pub(crate) fn best<'a>(leases: &'a [Lease], primary: Option<&str>) -> Option<&'a Lease> {
    let of_primary = |lease: &&Lease| primary.is_some() && lease.interface.as_deref() == primary;
    let newest = |leases: &mut dyn Iterator<Item = &'a Lease>| leases.max_by_key(|lease| lease.modified);
    newest(&mut leases.iter().filter(of_primary)).or_else(|| newest(&mut leases.iter()))
}

#[cfg(test)]
mod tests;
