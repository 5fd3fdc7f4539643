//! Digests, and how they are written.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read, Seek};

use sha2::Digest;

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing into a string can't fail.
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

/// SHA-256 of what comes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// The next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Of all pieces, in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of all that is in a file now, in lower-case hexadecimal.
pub fn of_file(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let (mut digest, mut piece) = (Sha256::default(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(digest.finish()),
            length => digest.update(piece.get(..length).unwrap_or_default()),
        }
    }
}

const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn is_the_same_at_once_in_pieces_and_of_a_file() {
        // FIPS 180-2, B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let mut pieces = Sha256::default();
        pieces.update(b"a");
        pieces.update(b"bc");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        assert_eq!([sha256(b"abc"), pieces.finish(), of_file(&mut file).unwrap()], [abc; 3]);
        assert_eq!(hex(&[0, 0xa, 0xff]), "000aff");
    }
}
