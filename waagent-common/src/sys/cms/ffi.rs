//! Functions of libcrypto that `openssl-sys` doesn't declare; from `openssl/bio.h`, `cms.h`, `ts.h`, `x509_vfy.h` of
//! OpenSSL 3.

use std::ffi::{c_char, c_int, c_uchar, c_void};

use openssl_sys::{
    ASN1_TIME, BIO, CMS_ContentInfo, OPENSSL_STACK, PKCS7, X509_NAME, X509_STORE, X509_STORE_CTX,
    X509_VERIFY_PARAM,
};

/// `TS_VERIFY_CTX`
pub(super) enum StampCheck {}
/// `TS_TST_INFO`
pub(super) enum StampInfo {}

unsafe extern "C" {
    pub(super) fn BIO_new_fd(fd: c_int, close: c_int) -> *mut BIO;
    pub(super) fn CMS_get0_signers(cms: *mut CMS_ContentInfo) -> *mut OPENSSL_STACK;
    pub(super) fn CMS_get1_certs(cms: *mut CMS_ContentInfo) -> *mut OPENSSL_STACK;
    pub(super) fn X509_NAME_oneline(name: *const X509_NAME, buffer: *mut c_char, size: c_int) -> *mut c_char;
    pub(super) fn X509_STORE_get0_param(store: *const X509_STORE) -> *mut X509_VERIFY_PARAM;
    pub(super) fn X509_STORE_CTX_get0_param(context: *const X509_STORE_CTX) -> *mut X509_VERIFY_PARAM;
    pub(super) fn PKCS7_to_TS_TST_INFO(token: *const PKCS7) -> *mut StampInfo;
    pub(super) fn TS_TST_INFO_free(info: *mut StampInfo);
    pub(super) fn TS_TST_INFO_get_time(info: *const StampInfo) -> *const ASN1_TIME;
    pub(super) fn i2d_TS_TST_INFO(info: *const StampInfo, out: *mut *mut c_uchar) -> c_int;
    pub(super) fn TS_VERIFY_CTX_new() -> *mut StampCheck;
    pub(super) fn TS_VERIFY_CTX_free(check: *mut StampCheck);
    pub(super) fn TS_VERIFY_CTX_add_flags(check: *mut StampCheck, flags: c_int) -> c_int;
    pub(super) fn TS_VERIFY_CTX_set_data(check: *mut StampCheck, data: *mut BIO) -> *mut BIO;
    pub(super) fn TS_VERIFY_CTX_set_store(check: *mut StampCheck, store: *mut X509_STORE) -> *mut X509_STORE;
    pub(super) fn TS_RESP_verify_token(check: *mut StampCheck, token: *mut PKCS7) -> c_int;
}

/// From `openssl/ts.h`.
pub(super) mod stamp {
    use super::c_int;

    pub(in super::super) const SIGNATURE: c_int = 1;
    pub(in super::super) const VERSION: c_int = 1 << 1;
    pub(in super::super) const DATA: c_int = 1 << 4;
}

/// A stack of certificates that are ours with it.
pub(super) unsafe extern "C" fn free_certificates(stack: *mut OPENSSL_STACK) {
    unsafe extern "C" fn free(certificate: *mut c_void) {
        // SAFETY: called for each element of a stack of certificates.
        unsafe { openssl_sys::X509_free(certificate.cast()) };
    }
    // SAFETY: `stack` is a stack of certificates that is ours.
    unsafe { openssl_sys::OPENSSL_sk_pop_free(stack, Some(free)) };
}
