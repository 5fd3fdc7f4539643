//! Functions of libcrypto that `openssl-sys` doesn't declare; from `openssl/pkcs12.h`, `openssl/x509.h`,
//! `openssl/evp.h` of OpenSSL 3.

use std::ffi::{c_char, c_int, c_uchar, c_uint, c_void};

use openssl_sys::{
    ASN1_OCTET_STRING, ENGINE, EVP_MD, OPENSSL_STACK, PKCS7, PKCS8_PRIV_KEY_INFO, PKCS12, X509, X509_ALGOR,
};

/// `PKCS12_SAFEBAG`
pub(super) enum SafeBag {}
/// `X509_SIG`: an algorithm and what was encrypted by it.
pub(super) enum Sealed {}

unsafe extern "C" {
    pub(super) fn EVP_Digest(
        data: *const c_void,
        count: usize,
        out: *mut c_uchar,
        size: *mut c_uint,
        kind: *const EVP_MD,
        engine: *mut ENGINE,
    ) -> c_int;
    pub(super) fn PKCS12_verify_mac(p12: *mut PKCS12, password: *const c_char, length: c_int) -> c_int;
    pub(super) fn PKCS12_unpack_authsafes(p12: *const PKCS12) -> *mut OPENSSL_STACK;
    pub(super) fn PKCS12_unpack_p7data(p7: *mut PKCS7) -> *mut OPENSSL_STACK;
    pub(super) fn PKCS12_unpack_p7encdata(
        p7: *mut PKCS7,
        password: *const c_char,
        length: c_int,
    ) -> *mut OPENSSL_STACK;
    pub(super) fn PKCS12_SAFEBAG_free(bag: *mut SafeBag);
    pub(super) fn PKCS12_SAFEBAG_get_nid(bag: *const SafeBag) -> c_int;
    pub(super) fn PKCS12_SAFEBAG_get_bag_nid(bag: *const SafeBag) -> c_int;
    pub(super) fn PKCS12_SAFEBAG_get0_p8inf(bag: *const SafeBag) -> *const PKCS8_PRIV_KEY_INFO;
    pub(super) fn PKCS12_SAFEBAG_get0_pkcs8(bag: *const SafeBag) -> *const Sealed;
    pub(super) fn PKCS12_SAFEBAG_get0_safes(bag: *const SafeBag) -> *const OPENSSL_STACK;
    pub(super) fn PKCS12_SAFEBAG_get1_cert(bag: *const SafeBag) -> *mut X509;
    pub(super) fn PKCS12_decrypt_skey(
        bag: *const SafeBag,
        password: *const c_char,
        length: c_int,
    ) -> *mut PKCS8_PRIV_KEY_INFO;
    pub(super) fn PKCS12_get_friendlyname(bag: *mut SafeBag) -> *mut c_char;
    pub(super) fn X509_SIG_get0(
        sealed: *const Sealed,
        algorithm: *mut *const X509_ALGOR,
        digest: *mut *const ASN1_OCTET_STRING,
    );
    pub(super) fn i2d_X509_ALGOR(algorithm: *const X509_ALGOR, out: *mut *mut c_uchar) -> c_int;
    pub(super) fn i2d_PKCS8_PRIV_KEY_INFO(key: *const PKCS8_PRIV_KEY_INFO, out: *mut *mut c_uchar) -> c_int;
}

/// From `openssl/obj_mac.h`.
pub(super) mod nid {
    use super::c_int;

    pub(in super::super) const PKCS7_DATA: c_int = 21;
    pub(in super::super) const PKCS7_ENCRYPTED: c_int = 26;
    pub(in super::super) const KEY_BAG: c_int = 150;
    pub(in super::super) const SHROUDED_KEY_BAG: c_int = 151;
    pub(in super::super) const CERTIFICATE_BAG: c_int = 152;
    pub(in super::super) const SAFE_CONTENTS_BAG: c_int = 155;
    pub(in super::super) const X509_CERTIFICATE: c_int = 158;
}
