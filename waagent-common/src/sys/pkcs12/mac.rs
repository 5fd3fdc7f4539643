//! The MAC of a store (RFC 7292 4 and appendix B), from libcrypto's plain digests.
//!
//! `PKCS12_verify_mac` won't do: a FIPS provider has no key derivation of PKCS#12. With the empty password the key is
//! no secret and the MAC a checksum; but as the envelope around a store has none, it is what tells a whole store from one
//! that was altered, and so it is checked on every machine, in the same way.

use std::ffi::c_uint;
use std::ptr;

use openssl_sys::{CRYPTO_memcmp, EVP_MD, EVP_sha1, EVP_sha256, EVP_sha384, EVP_sha512};
use zeroize::Zeroizing;

use super::{Refusal, ffi, forget_errors};
use crate::der::{Der, tag};

/// MacData of a store.
pub(super) struct Mac<'a> {
    /// AlgorithmIdentifier, DER.
    pub(super) algorithm: &'a [u8],
    /// Rounds of the derivation.
    pub(super) rounds: u64,
    contents: &'a [u8],
    expected: &'a [u8],
    salt: &'a [u8],
}

impl<'a> Mac<'a> {
    /// Finds it in a store (DER) that libcrypto has taken; none where there is none.
    pub(super) fn of(store: &'a [u8]) -> Option<Self> {
        let mut pfx = Der::new(store).open(tag::SEQUENCE)?;
        pfx.number()?;
        let contents = super::contents(pfx.open(tag::SEQUENCE)?)?.take(tag::OCTETS)?;
        let mut data = pfx.open(tag::SEQUENCE)?;
        let mut info = data.open(tag::SEQUENCE)?;
        let algorithm = info.whole(tag::SEQUENCE)?;
        let expected = info.take(tag::OCTETS)?;
        let salt = data.take(tag::OCTETS)?;
        let rounds = if data.is_empty() { 1 } else { data.number()? };
        Some(Self { algorithm, rounds, contents, expected, salt })
    }

    /// Whether it is right; none where its algorithm is no digest that a store's key is derived by, as PBMAC1.
    pub(super) fn is_right(&self) -> Option<Result<bool, Refusal>> {
        let mut identifier = Der::new(self.algorithm).open(tag::SEQUENCE)?;
        let name = identifier.take(tag::OBJECT)?;
        let digest = DIGESTS.iter().find(|digest| digest.name == name)?;
        // Parameters would be bytes of a store that no MAC is over.
        identifier.take(tag::NULL);
        if !identifier.is_empty() {
            return Some(Err(Refusal::Algorithm));
        }
        Some(self.computed(digest).map(|mac| is_same(&mac, self.expected)).ok_or(Refusal::Algorithm))
    }

    /// HMAC (RFC 2104) under the derived key. Appendix B.2 for a key as long as the digest: one block.
    fn computed(&self, digest: &Digest) -> Option<Zeroizing<Vec<u8>>> {
        let salt_length = self.salt.len().next_multiple_of(digest.block);
        let salt: Vec<u8> = self.salt.iter().copied().cycle().take(salt_length).collect();
        // The empty password is two bytes of zero, repeated.
        let mut key = digest.of(&[&vec![FOR_MAC; digest.block], &salt, &vec![0; digest.block]])?;
        for _ in 1..self.rounds {
            key = digest.of(&[&key])?;
        }
        key.resize(digest.block, 0);
        let padded = |pad: u8| Zeroizing::new(key.iter().map(|byte| byte ^ pad).collect::<Vec<_>>());
        let inner = digest.of(&[&padded(0x36), self.contents])?;
        digest.of(&[&padded(0x5c), &inner])
    }
}

struct Digest {
    /// Object identifier.
    name: &'static [u8],
    /// Bytes of its input block.
    block: usize,
    function: unsafe extern "C" fn() -> *const EVP_MD,
}

impl Digest {
    /// Of these parts, one after the other; none where the provider lacks it.
    fn of(&self, parts: &[&[u8]]) -> Option<Zeroizing<Vec<u8>>> {
        let data = Zeroizing::new(parts.concat());
        let (mut out, mut length): (_, c_uint) = (Zeroizing::new(vec![0; LONGEST]), 0);
        // SAFETY: `data` is readable for its length, `out` writable for the longest digest there is (EVP_MAX_MD_SIZE);
        // the digest is a constant of libcrypto's, and no engine is asked for.
        let is_done = unsafe {
            ffi::EVP_Digest(
                data.as_ptr().cast(),
                data.len(),
                out.as_mut_ptr(),
                &raw mut length,
                (self.function)(),
                ptr::null_mut(),
            )
        };
        forget_errors();
        out.truncate(usize::try_from(length).ok()?);
        (is_done == 1).then_some(out)
    }
}

fn is_same(left: &[u8], right: &[u8]) -> bool {
    // SAFETY: both are readable for this length, which is the same.
    left.len() == right.len()
        && unsafe { CRYPTO_memcmp(left.as_ptr().cast(), right.as_ptr().cast(), left.len()) } == 0
}

/// `ID` of appendix B.3: a key for a MAC.
const FOR_MAC: u8 = 3;
/// `EVP_MAX_MD_SIZE` of `openssl/evp.h`.
const LONGEST: usize = 64;
const DIGESTS: &[Digest] = &[
    // 1.3.14.3.2.26
    Digest { name: &[0x2b, 0x0e, 0x03, 0x02, 0x1a], block: 64, function: EVP_sha1 },
    // 2.16.840.1.101.3.4.2.1, .2, .3
    Digest { name: &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], block: 64, function: EVP_sha256 },
    Digest { name: &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], block: 128, function: EVP_sha384 },
    Digest { name: &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], block: 128, function: EVP_sha512 },
];
