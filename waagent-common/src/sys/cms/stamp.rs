//! Time stamps (RFC 3161): when a signature was there already.

use std::ffi::{c_int, c_long};
use std::ptr;

use openssl_sys::{
    ASN1_TIME_diff, ASN1_TIME_free, ASN1_TIME_set, BIO_free_all, BIO_new_mem_buf, PKCS7, PKCS7_free,
    d2i_PKCS7, i2d_PKCS7,
};

use super::super::libcrypto::{Owned, encoded, errors, forget_errors};
use super::certificate::{Roots, judge};
use super::ffi::{self, StampInfo, stamp};

/// A time stamp token that libcrypto has understood.
pub struct Stamp {
    token: Owned<PKCS7>,
    info: Owned<StampInfo>,
}

impl Stamp {
    /// Reads a token.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let length = c_long::try_from(der.len()).ok()?;
        let mut at = der.as_ptr();
        // SAFETY: `at` points to `length` readable bytes; the result is null or ours.
        let token = unsafe { d2i_PKCS7(ptr::null_mut(), &raw mut at, length) };
        let token = Owned::new(token, PKCS7_free);
        // SAFETY: the token is valid; the result is null or ours.
        let info = token.as_ref().map(|token| unsafe { ffi::PKCS7_to_TS_TST_INFO(token.as_ptr()) });
        let info = info.and_then(|info| Owned::new(info, ffi::TS_TST_INFO_free));
        forget_errors();
        Some(Self { token: token?, info: info? })
    }

    /// The token as libcrypto has understood it, in DER.
    pub fn to_der(&self) -> Vec<u8> {
        // SAFETY: the token is valid; the function writes as many bytes as it said.
        encoded(|out| unsafe { i2d_PKCS7(self.token.as_ptr(), out) }).to_vec()
    }

    /// TSTInfo (RFC 3161 2.4.2) in DER.
    pub fn info(&self) -> Vec<u8> {
        // SAFETY: the info is valid; the function writes as many bytes as it said.
        encoded(|out| unsafe { ffi::i2d_TS_TST_INFO(self.info.as_ptr(), out) }).to_vec()
    }

    /// What it says the time was, in seconds since 1970. To be believed only after [`Self::verify`].
    pub fn time(&self) -> Option<i64> {
        let (mut days, mut seconds): (c_int, c_int) = (0, 0);
        // SAFETY: no memory of ours is involved; the result is null or ours.
        let epoch = Owned::new(unsafe { ASN1_TIME_set(ptr::null_mut(), 0) }, ASN1_TIME_free)?;
        // SAFETY: the info owns its time, which is looked at only if it is there; both numbers are ours.
        let is_known = unsafe {
            let time = ffi::TS_TST_INFO_get_time(self.info.as_ptr());
            !time.is_null() && ASN1_TIME_diff(&raw mut days, &raw mut seconds, epoch.as_ptr(), time) == 1
        };
        forget_errors();
        is_known.then(|| i64::from(days) * 86_400 + i64::from(seconds))
    }

    /// Was it made for these bytes, by an authority whose chain ended at one of these roots at the stamp's own time?
    pub fn verify(&self, stamped: &[u8], roots: &Roots) -> Result<(), String> {
        let failed = || "libcrypto has no memory".to_owned();
        let time = self.time().ok_or("it names no time")?;
        let length = c_int::try_from(stamped.len()).map_err(|_| "too much is stamped".to_owned())?;
        let store = roots.store().ok_or_else(failed)?;
        // SAFETY: the store is valid, and so are its parameters.
        if !unsafe { judge(ffi::X509_STORE_get0_param(store.as_ptr()), Some(time)) } {
            return Err(failed());
        }
        // SAFETY: no arguments; the result is null or ours.
        let check =
            Owned::new(unsafe { ffi::TS_VERIFY_CTX_new() }, ffi::TS_VERIFY_CTX_free).ok_or_else(failed)?;
        // SAFETY: the bytes outlive the check, which frees the BIO.
        let data = unsafe { BIO_new_mem_buf(stamped.as_ptr().cast(), length) };
        let data = Owned::new(data, BIO_free_all).ok_or_else(failed)?;
        forget_errors();
        // SAFETY: all are valid; the check takes store and data over, so they are let go here.
        let verdict = unsafe {
            ffi::TS_VERIFY_CTX_add_flags(check.as_ptr(), stamp::SIGNATURE | stamp::VERSION | stamp::DATA);
            ffi::TS_VERIFY_CTX_set_store(check.as_ptr(), store.release());
            ffi::TS_VERIFY_CTX_set_data(check.as_ptr(), data.release());
            ffi::TS_RESP_verify_token(check.as_ptr(), self.token.as_ptr())
        };
        let why = errors();
        if verdict == 1 { Ok(()) } else { Err(why) }
    }
}
