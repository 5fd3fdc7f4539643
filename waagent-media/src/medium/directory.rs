//! Folders of UDF.

use waagent_common::bytes::{slice_at, u8_at, u16_at};
use waagent_common::fault::Fault;

use super::names::osta;
use super::udf::{Volume, check_tag, long_extent};
use super::{Entry, MAX_ENTRIES, Place, damaged};

/// Tag of a file identifier (ECMA-167 4/14.4), and bits of its characteristics.
const FILE_IDENTIFIER: u16 = 257;
const FOLDER: u8 = 2;
const DELETED: u8 = 4;
const PARENT: u8 = 8;
/// Bytes before the variable fields.
const FIXED: usize = 38;

/// The files that a folder's content names; folders and deleted entries are left out.
pub(crate) fn files(volume: &Volume, folder: &[u8]) -> Result<Vec<Entry>, Fault> {
    let mut files = Vec::new();
    let mut rest = folder;
    let mut entries = 0;
    while !rest.is_empty() {
        entries += 1;
        if entries > MAX_ENTRIES {
            return Err(damaged(&format!("its root folder has more than {MAX_ENTRIES} entries")));
        }
        let length = length(rest).ok_or_else(|| damaged("its root folder ends in an entry"))?;
        let (entry, following) =
            rest.split_at_checked(length).ok_or_else(|| damaged("its root folder ends in an entry"))?;
        check_tag(entry, FILE_IDENTIFIER, "root folder")?;
        files.extend(file(volume, entry)?);
        rest = following;
    }
    Ok(files)
}

/// An entry's length: fixed part, implementation use and name, to a multiple of four.
fn length(entry: &[u8]) -> Option<usize> {
    let name = usize::from(u8_at(entry, 19)?);
    let implementation = usize::from(u16_at(entry, 36)?);
    Some((FIXED + implementation + name).next_multiple_of(4))
}

fn file(volume: &Volume, entry: &[u8]) -> Result<Option<Entry>, Fault> {
    let characteristics = u8_at(entry, 18).unwrap_or(PARENT);
    if characteristics & (FOLDER | DELETED | PARENT) != 0 {
        return Ok(None);
    }
    let name = || {
        let length = usize::from(u8_at(entry, 19)?);
        let implementation = usize::from(u16_at(entry, 36)?);
        osta(slice_at(entry, FIXED + implementation, length)?)
    };
    let Some(name) = name() else { return Ok(None) };
    let Some(at) = long_extent(volume, entry, 20)? else { return Ok(None) };
    Ok(Some(Entry { name, place: Place::FileEntry(at) }))
}
