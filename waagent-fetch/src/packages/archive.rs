//! Is a downloaded file a whole zip? Only its last record is looked at: unpacking is waagent-ext's work.

use std::fs::File;
use std::os::unix::fs::FileExt;

use waagent_common::fault::Fault;

use crate::failure::Failure;

/// Looks for the end-of-central-directory record (APPNOTE.TXT 4.3.16) in the last 65 557 bytes, and whether the
/// directory that it names fits in front of it. `Err` is the reason why the file is no whole zip.
pub(crate) fn check(file: &File, size: u64) -> Result<(), Failure> {
    let length = size.min(RECORD + MAX_COMMENT);
    let start = size - length;
    let mut tail = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut tail, start).map_err(|error| Fault::io(format!("cannot read it: {error}")))?;
    let found = tail.windows(SIGNATURE.len()).enumerate().rev().filter(|(_, part)| *part == SIGNATURE);
    for (at, _) in found {
        let Some(record) = tail.get(at..at + 22) else { continue };
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        // A comment may hold the signature too: a record that can't be one is passed over.
        if start + at + RECORD + number(record, 20, 2) == size && fits(record, start + at) {
            return Ok(());
        }
    }
    Err(Failure::nonsense("no zip, or not a whole one: its end record is missing"))
}

/// Do the directory's place and size say that it ends before the record? All ones: a zip64 record in front knows.
fn fits(record: &[u8], end: u64) -> bool {
    let (size, offset) = (number(record, 12, 4), number(record, 16, 4));
    let zip64 = u64::from(u32::MAX);
    size == zip64 || offset == zip64 || offset + size <= end
}

fn number(record: &[u8], at: usize, length: usize) -> u64 {
    let bytes = record.get(at..at + length).unwrap_or_default();
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

const SIGNATURE: &[u8] = b"PK\x05\x06";
/// Without its comment.
const RECORD: u64 = 22;
const MAX_COMMENT: u64 = 65_535;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An empty zip with this directory size and offset, a comment, and what comes before and after.
    fn zip(before: &[u8], size: u32, offset: u32, comment: &[u8], after: &[u8]) -> Vec<u8> {
        let mut bytes = before.to_vec();
        bytes.extend_from_slice(b"PK\x05\x06\0\0\0\0\0\0\0\0");
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&offset.to_le_bytes());
        bytes.extend_from_slice(&u16::try_from(comment.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(comment);
        bytes.extend_from_slice(after);
        bytes
    }

    fn checked(bytes: &[u8]) -> Result<(), Failure> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        check(&file, u64::try_from(bytes.len()).unwrap())
    }

    #[test]
    fn takes_whole_zips_with_and_without_a_comment() {
        assert_eq!(checked(&zip(&[7; 100], 60, 40, b"", b"")), Ok(()));
        assert_eq!(checked(&zip(b"", 0, 0, b"PK\x05\x06 in a comment of its own", b"")), Ok(()));
        assert_eq!(checked(&zip(&vec![7; 70_000], 1, 2, &vec![b'c'; 65_535], b"")), Ok(()));
        assert_eq!(checked(&zip(&[7; 100], u32::MAX, u32::MAX, b"", b"")), Ok(()));
    }

    #[test]
    fn refuses_what_was_cut_or_is_something_else() {
        let whole = zip(&[7; 100], 60, 40, b"comment", b"");
        for length in 0..whole.len() {
            assert!(checked(&whole[..length]).is_err(), "{length}");
        }
        assert!(checked(b"<html>not here</html>").is_err());
        assert!(checked(&zip(&[7; 100], 60, 41, b"", b"")).is_err());
        assert!(checked(&zip(&[7; 100], 60, 40, b"", b"trailing")).is_err());
    }
}
