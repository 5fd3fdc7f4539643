//! Functions of libcrypto that `openssl-sys` doesn't declare; from `openssl/bio.h`, `cms.h`, `evp.h`, `x509_vfy.h`,
//! `x509v3.h` of OpenSSL 3.

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};

use openssl_sys::{
    BIO, CMS_ContentInfo, ENGINE, EVP_MD, OPENSSL_STACK, X509, X509_NAME, X509_STORE_CTX, X509_VERIFY_PARAM,
};

unsafe extern "C" {
    pub(super) fn BIO_new_fd(fd: c_int, close: c_int) -> *mut BIO;
    pub(super) fn CMS_get0_signers(cms: *mut CMS_ContentInfo) -> *mut OPENSSL_STACK;
    pub(super) fn CMS_get1_certs(cms: *mut CMS_ContentInfo) -> *mut OPENSSL_STACK;
    pub(super) fn X509_NAME_oneline(name: *const X509_NAME, buffer: *mut c_char, size: c_int) -> *mut c_char;
    pub(super) fn X509_check_purpose(certificate: *mut X509, purpose: c_int, is_authority: c_int) -> c_int;
    pub(super) fn X509_STORE_CTX_get0_param(context: *const X509_STORE_CTX) -> *mut X509_VERIFY_PARAM;
    pub(super) fn EVP_Digest(
        data: *const c_void,
        count: usize,
        digest: *mut c_uchar,
        size: *mut c_uint,
        kind: *const EVP_MD,
        engine: *mut ENGINE,
    ) -> c_int;
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
