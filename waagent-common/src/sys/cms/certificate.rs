//! Certificates and their chains.

use std::ffi::{CStr, c_int, c_uchar};
use std::ptr;

use openssl_sys::{
    ASN1_STRING_to_UTF8, BIO_free_all, BIO_new_mem_buf, CRYPTO_free, NID_organizationName, OPENSSL_sk_free,
    OPENSSL_sk_new_null, OPENSSL_sk_num, OPENSSL_sk_push, OPENSSL_sk_value, PEM_read_bio_X509, X509,
    X509_NAME_ENTRY_get_data, X509_NAME_get_entry, X509_NAME_get_index_by_NID, X509_PURPOSE_TIMESTAMP_SIGN,
    X509_STORE, X509_STORE_CTX_free, X509_STORE_CTX_get_error, X509_STORE_CTX_get0_chain,
    X509_STORE_CTX_init, X509_STORE_CTX_new, X509_STORE_add_cert, X509_STORE_free, X509_STORE_new,
    X509_V_FLAG_NO_CHECK_TIME, X509_VERIFY_PARAM, X509_VERIFY_PARAM_set_auth_level,
    X509_VERIFY_PARAM_set_depth, X509_VERIFY_PARAM_set_flags, X509_VERIFY_PARAM_set_time, X509_free,
    X509_get_extended_key_usage, X509_get_key_usage, X509_get_subject_name, X509_up_ref, X509_verify_cert,
    X509_verify_cert_error_string, X509v3_KU_DIGITAL_SIGNATURE, XKU_CODE_SIGN, i2d_X509,
};

use super::super::libcrypto::{Owned, encoded, forget_errors};
use super::{ffi, no_memory};
use crate::fault::Fault;

/// A certificate that libcrypto has understood.
pub struct Certificate(pub(super) Owned<X509>);

/// Certificates that are trusted without a reason within them.
#[derive(Debug, Default)]
pub struct Roots(Vec<Certificate>);

impl Roots {
    /// All certificates of a PEM file, at most [`MOST_ROOTS`].
    pub fn from_pem(bytes: &[u8]) -> Self {
        let Ok(length) = c_int::try_from(bytes.len()) else { return Self::default() };
        // SAFETY: the bytes outlive the BIO, which is freed at the end of this function.
        let bio = unsafe { BIO_new_mem_buf(bytes.as_ptr().cast(), length) };
        let Some(bio) = Owned::new(bio, BIO_free_all) else { return Self::default() };
        let mut roots = Vec::new();
        while roots.len() < MOST_ROOTS {
            // SAFETY: the BIO is valid; the file isn't encrypted, so no password is asked for.
            let one = unsafe { PEM_read_bio_X509(bio.as_ptr(), ptr::null_mut(), None, ptr::null_mut()) };
            let Some(one) = Owned::new(one, X509_free) else { break };
            roots.push(Certificate(one));
        }
        forget_errors();
        Self(roots)
    }

    /// Is nothing trusted?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A store with these certificates and no other.
    fn store(&self) -> Option<Owned<X509_STORE>> {
        // SAFETY: no arguments; the result is null or ours.
        let store = Owned::new(unsafe { X509_STORE_new() }, X509_STORE_free)?;
        for root in &self.0 {
            // SAFETY: both are valid; the store takes a reference of its own.
            if unsafe { X509_STORE_add_cert(store.as_ptr(), root.0.as_ptr()) } != 1 {
                return None;
            }
        }
        Some(store)
    }
}

impl Certificate {
    /// A further reference to a certificate that something else owns.
    pub(super) fn shared(borrowed: *mut X509) -> Option<Self> {
        // SAFETY: the caller's pointer is null or a live certificate; with the reference counted it is ours too.
        (!borrowed.is_null() && unsafe { X509_up_ref(borrowed) } == 1)
            .then(|| Owned::new(borrowed, X509_free).map(Self))?
    }

    /// It in DER.
    pub fn to_der(&self) -> Vec<u8> {
        // SAFETY: the certificate is valid; the function writes as many bytes as it said.
        encoded(|out| unsafe { i2d_X509(self.0.as_ptr(), out) }).to_vec()
    }

    /// Its subject in one line, for people.
    pub fn subject(&self) -> String {
        let mut buffer = [0; 512];
        // SAFETY: the certificate is valid and owns the name; the function writes a C string within the buffer.
        let line = unsafe {
            let name = X509_get_subject_name(self.0.as_ptr());
            ffi::X509_NAME_oneline(name, buffer.as_mut_ptr(), 512)
        };
        // SAFETY: null, or the buffer with a C string in it.
        let line = (!line.is_null()).then(|| unsafe { CStr::from_ptr(line) });
        line.map(|line| line.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The first organisation of its subject.
    pub fn organisation(&self) -> Option<String> {
        // SAFETY: the certificate is valid and owns name, entry and value.
        let value = unsafe {
            let name = X509_get_subject_name(self.0.as_ptr());
            let index = X509_NAME_get_index_by_NID(name, NID_organizationName, -1);
            let entry = if index < 0 { ptr::null_mut() } else { X509_NAME_get_entry(name, index) };
            if entry.is_null() { ptr::null_mut() } else { X509_NAME_ENTRY_get_data(entry) }
        };
        if value.is_null() {
            return None;
        }
        let mut text: *mut c_uchar = ptr::null_mut();
        // SAFETY: the value is live; a length of 0 or more comes with memory that is ours to free.
        let length = usize::try_from(unsafe { ASN1_STRING_to_UTF8(&raw mut text, value) }).ok()?;
        // SAFETY: the function said how many bytes are there.
        let bytes = unsafe { std::slice::from_raw_parts(text, length) }.to_vec();
        // SAFETY: allocated by the call above, and freed here only.
        unsafe { CRYPTO_free(text.cast(), c"".as_ptr(), 0) };
        String::from_utf8(bytes).ok()
    }

    /// Is it for signing code: by its extended key usage, which must be there, and by its key usage, if that is?
    pub fn signs_code(&self) -> bool {
        // SAFETY: the certificate is valid. Absent: all bits are set.
        let (usage, extended) =
            unsafe { (X509_get_key_usage(self.0.as_ptr()), X509_get_extended_key_usage(self.0.as_ptr())) };
        forget_errors();
        extended != u32::MAX && extended & XKU_CODE_SIGN != 0 && usage & X509v3_KU_DIGITAL_SIGNATURE != 0
    }

    /// Is it for time stamps, by its extended key usage, which must be critical, and for nothing else (RFC 3161 2.3)?
    pub fn stamps(&self) -> bool {
        // SAFETY: the certificate is valid; 0: it isn't looked at as an authority over others.
        let verdict = unsafe { ffi::X509_check_purpose(self.0.as_ptr(), X509_PURPOSE_TIMESTAMP_SIGN, 0) };
        forget_errors();
        verdict == 1
    }

    /// The root that its chain ends at, through some of `between`; at this time (seconds since 1970), or whenever.
    pub fn root(&self, between: &[Self], roots: &Roots, at: Option<i64>) -> Result<Self, Fault> {
        let store = roots.store().ok_or_else(no_memory)?;
        // SAFETY: no arguments; the results are null or ours.
        let (row, context) = unsafe { (OPENSSL_sk_new_null(), X509_STORE_CTX_new()) };
        let row = Owned::new(row, OPENSSL_sk_free).ok_or_else(no_memory)?;
        let context = Owned::new(context, X509_STORE_CTX_free).ok_or_else(no_memory)?;
        for certificate in between {
            // SAFETY: the stack is valid; what it borrows lives longer than it is used.
            unsafe { OPENSSL_sk_push(row.as_ptr(), certificate.0.as_ptr().cast()) };
        }
        // SAFETY: all are valid, and outlive the context.
        let is_ready = unsafe {
            X509_STORE_CTX_init(context.as_ptr(), store.as_ptr(), self.0.as_ptr(), row.as_ptr().cast()) == 1
                && judge(ffi::X509_STORE_CTX_get0_param(context.as_ptr()), at)
        };
        if !is_ready {
            return Err(no_memory());
        }
        // SAFETY: the context was initialised.
        let verdict = unsafe { X509_verify_cert(context.as_ptr()) };
        forget_errors();
        // SAFETY: as above; the text is static.
        let why = unsafe {
            let code = X509_STORE_CTX_get_error(context.as_ptr());
            CStr::from_ptr(X509_verify_cert_error_string(code.into())).to_string_lossy()
        };
        if verdict != 1 {
            return Err(Fault::data(why));
        }
        // SAFETY: the chain is the context's, and not empty after a success; its last is the root.
        let last = unsafe {
            let chain = X509_STORE_CTX_get0_chain(context.as_ptr()).cast();
            OPENSSL_sk_value(chain, OPENSSL_sk_num(chain) - 1)
        };
        Self::shared(last.cast()).ok_or_else(no_memory)
    }
}

/// How chains are judged: at most four certificates between, 112 bits of strength (RSA 2048, SHA-256), and this time.
///
/// # Safety
///
/// `parameters` is live.
unsafe fn judge(parameters: *mut X509_VERIFY_PARAM, at: Option<i64>) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        X509_VERIFY_PARAM_set_depth(parameters, 4);
        X509_VERIFY_PARAM_set_auth_level(parameters, 2);
        match at {
            Some(time) => X509_VERIFY_PARAM_set_time(parameters, time),
            None => return X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_NO_CHECK_TIME) == 1,
        }
    }
    true
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Certificate({})", self.subject())
    }
}

/// Certificates of one file of roots.
const MOST_ROOTS: usize = 64;
