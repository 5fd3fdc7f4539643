//! Files in a folder that a handler can change under our hands.

use std::ffi::OsStr;

use waagent_common::fault::Fault;
use waagent_common::folder::{Folder, Writing};

/// It ends in nothing that a handler looks for, and doesn't begin with a number.
const TEMPORARY: &str = ".tmp-waagent";

/// Writes a file whole. `durable`: also after a power cut it is the old one or the new one.
pub fn replace(folder: &Folder, name: &str, bytes: &[u8], mode: u32, durable: bool) -> Result<(), Fault> {
    folder.replace(name, bytes, &Writing { temporary: OsStr::new(TEMPORARY), mode, kind: None, durable })
}
