//! Digests of what is in memory.

use std::ptr;

use openssl_sys::{EVP_MD, EVP_sha1, EVP_sha256, EVP_sha384, EVP_sha512};

use super::super::libcrypto::forget_errors;
use super::ffi;

/// A digest that signatures and time stamps use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1: names a certificate, and is good for nothing else.
    Sha1,
    /// SHA-256
    Sha256,
    /// SHA-384
    Sha384,
    /// SHA-512
    Sha512,
}

impl Digest {
    /// The digest of these bytes; none where libcrypto refuses it.
    pub fn of(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut digest = [0; MOST];
        let mut length = 0;
        // SAFETY: the bytes are readable, no digest is longer than there is room for, and no engine is asked for.
        let verdict = unsafe {
            let (at, into) = (bytes.as_ptr().cast(), digest.as_mut_ptr());
            ffi::EVP_Digest(at, bytes.len(), into, &raw mut length, self.libcrypto(), ptr::null_mut())
        };
        forget_errors();
        let made = digest.get(..usize::try_from(length).ok()?)?;
        (verdict == 1).then(|| made.to_vec())
    }

    fn libcrypto(self) -> *const EVP_MD {
        // SAFETY: no arguments; the results are static.
        unsafe {
            match self {
                Self::Sha1 => EVP_sha1(),
                Self::Sha256 => EVP_sha256(),
                Self::Sha384 => EVP_sha384(),
                Self::Sha512 => EVP_sha512(),
            }
        }
    }
}

/// `EVP_MAX_MD_SIZE` of openssl/evp.h: bytes of the longest digest.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_digests_of_their_own_length() {
        for (digest, length, first) in [
            (Digest::Sha1, 20, 0xa9),
            (Digest::Sha256, 32, 0xba),
            (Digest::Sha384, 48, 0xcb),
            (Digest::Sha512, 64, 0xdd),
        ] {
            // The digests of "abc" (FIPS 180-4, examples).
            let made = digest.of(b"abc").unwrap();
            assert_eq!((made.len(), made.first()), (length, Some(&first)), "{digest:?}");
        }
    }
}
