//! Signatures in CMS (RFC 5652) over files, and time stamps over signatures, through the system's libcrypto.
//!
//! The `openssl` crate verifies what is in memory, and a package may be a gigabyte. What was signed is hostile until it
//! is verified, so nothing is taken from it but what libcrypto has understood.
//!
//! A time stamp token is verified as the CMS that it is: libcrypto's own `TS_` functions refuse those that come with
//! Microsoft's packages, for an attribute certificate among their certificates (`d2i_PKCS7` knows none) and for its
//! digest behind the authority's own in `signingCertificateV2`.

use std::ffi::{c_int, c_long, c_ulong};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::ptr;

use openssl_sys::{
    BIO, BIO_free_all, CMS_BINARY, CMS_ContentInfo, CMS_ContentInfo_free, CMS_NO_SIGNER_CERT_VERIFY,
    CMS_verify, ERR_GET_LIB, ERR_GET_REASON, EVP_DecodeBlock, OPENSSL_sk_free, X509, d2i_CMS_ContentInfo,
    i2d_CMS_ContentInfo,
};

mod certificate;
mod digest;
mod ffi;

pub use self::certificate::{Certificate, Roots};
pub use self::digest::Digest;
use super::libcrypto::{Owned, elements, encoded, errors_seen, forget_errors};
use crate::fault::{Exit, Fault};

/// Why no signer is known.
#[derive(Debug)]
pub enum SignerError {
    /// Libcrypto has compared, and these aren't the bytes that were signed, or not by the key of the certificate.
    Contradicted(Fault),
    /// It couldn't compare: not one signer, an algorithm that it hasn't got, a file that can't be read.
    Unknown(Fault),
}

impl From<SignerError> for Fault {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::Contradicted(fault) | SignerError::Unknown(fault) => fault,
        }
    }
}

/// Signed data that libcrypto has understood.
pub struct Signed(Owned<CMS_ContentInfo>);

impl Signed {
    /// Reads a ContentInfo.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let length = c_long::try_from(der.len()).ok()?;
        let mut at = der.as_ptr();
        // SAFETY: `at` points to `length` readable bytes; the result is null or ours.
        let cms = unsafe { d2i_CMS_ContentInfo(ptr::null_mut(), &raw mut at, length) };
        forget_errors();
        Owned::new(cms, CMS_ContentInfo_free).map(Self)
    }

    /// It as libcrypto has understood it, in DER.
    pub fn to_der(&self) -> Vec<u8> {
        // SAFETY: the structure is valid; the function writes as many bytes as it said.
        encoded(|out| unsafe { i2d_CMS_ContentInfo(self.0.as_ptr(), out) }).to_vec()
    }

    /// The certificates that came with it.
    pub fn certificates(&self) -> Vec<Certificate> {
        // SAFETY: the structure is valid; the stack that comes back is ours with its elements, or null.
        let stack = unsafe { ffi::CMS_get1_certs(self.0.as_ptr()) };
        forget_errors();
        let Some(stack) = Owned::new(stack, ffi::free_certificates) else { return Vec::new() };
        elements::<X509>(stack.as_ptr()).filter_map(|one| Certificate::shared(one.as_ptr())).collect()
    }

    /// The certificate by whose key all that the file holds was signed; whether it is to be trusted isn't looked at.
    /// The file's position is its beginning afterwards.
    pub fn signer(&self, content: &File) -> Result<Certificate, SignerError> {
        let start = |mut file: &File| {
            file.seek(SeekFrom::Start(0)).map_err(|error| SignerError::Unknown(Fault::io(error.to_string())))
        };
        start(content)?;
        // SAFETY: the descriptor outlives the BIO, which doesn't close it (0).
        let bio = unsafe { ffi::BIO_new_fd(content.as_raw_fd(), 0) };
        let bio = Owned::new(bio, BIO_free_all).ok_or_else(|| SignerError::Unknown(no_memory()))?;
        let signer = self.verified(bio.as_ptr());
        start(content)?;
        signer
    }

    /// The same for the content that came with it.
    pub fn signer_within(&self) -> Result<Certificate, SignerError> {
        self.verified(ptr::null_mut())
    }

    /// The certificate of the one signer of this content, or of the one within.
    fn verified(&self, content: *mut BIO) -> Result<Certificate, SignerError> {
        forget_errors();
        // SAFETY: the structure is valid, the BIO too or null; without a look at chains no store is needed, and what was
        // read is wanted by nobody.
        let verdict = unsafe {
            CMS_verify(
                self.0.as_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
                content,
                ptr::null_mut(),
                CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY,
            )
        };
        let mut is_contradicted = false;
        let why = errors_seen(|code| is_contradicted |= is_contradiction(code));
        if verdict != 1 {
            let fault = Fault::data(why);
            let error = if is_contradicted { SignerError::Contradicted } else { SignerError::Unknown };
            return Err(error(fault));
        }
        // SAFETY: the structure is valid and was verified; the stack is ours, its elements aren't.
        let signers = unsafe { ffi::CMS_get0_signers(self.0.as_ptr()) };
        let signers = Owned::new(signers, OPENSSL_sk_free).ok_or_else(unsigned)?;
        let mut all = elements::<X509>(signers.as_ptr());
        match (all.next(), all.next()) {
            (Some(one), None) => Certificate::shared(one.as_ptr()).ok_or_else(unsigned),
            _ => Err(SignerError::Unknown(Fault::data("it hasn't one signer"))),
        }
    }
}

/// The library of CMS (openssl/err.h).
const ERR_LIB_CMS: c_int = 46;

/// Digest or signature are others (openssl/cmserr.h); whatever else stops libcrypto has another reason.
fn is_contradiction(code: c_ulong) -> bool {
    const VERIFICATION_FAILURE: c_int = 158;
    const MESSAGEDIGEST_WRONG_LENGTH: c_int = 121;
    ERR_GET_LIB(code) == ERR_LIB_CMS
        && matches!(ERR_GET_REASON(code), VERIFICATION_FAILURE | MESSAGEDIGEST_WRONG_LENGTH)
}

fn unsigned() -> SignerError {
    SignerError::Unknown(Fault::data("it has no signer"))
}

fn no_memory() -> Fault {
    Fault::new(Exit::Os, "libcrypto has no memory")
}

/// What base64 without blanks stands for; nothing where it is none.
pub fn decode(base64: &str) -> Option<Vec<u8>> {
    let (text, padding) = (base64.as_bytes(), base64.bytes().rev().take_while(|byte| *byte == b'=').count());
    if padding > 2 || !text.len().is_multiple_of(4) || text.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let mut bytes = vec![0; text.len() / 4 * 3];
    let length = c_int::try_from(text.len()).ok()?;
    // SAFETY: the function writes three bytes for each four of the text: as many as there is room for.
    let written = unsafe { EVP_DecodeBlock(bytes.as_mut_ptr(), text.as_ptr(), length) };
    forget_errors();
    let written = usize::try_from(written).ok()?.checked_sub(padding)?;
    bytes.truncate(written);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_base64_and_nothing_else() {
        assert_eq!(decode("TUlJ").unwrap(), b"MII");
        assert_eq!(decode("TUk=").unwrap(), b"MI");
        assert_eq!(decode("").unwrap(), b"");
        for bad in ["TUlJT", "TUlJ\n", "T===", "====", "TU*J", "ü000", " TUlJ   "] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn refuses_what_is_no_cms() {
        for bad in [&b""[..], b"MII", &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0; 64]] {
            assert!(Signed::parse(bad).is_none(), "{bad:?}");
        }
    }
}
