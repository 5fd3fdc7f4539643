//! What only key stores hold: how stacks of their parts are freed.

use std::ffi::c_void;

use openssl_sys::{OPENSSL_STACK, OPENSSL_sk_pop_free, PKCS7_free};

use super::ffi;

pub(super) unsafe extern "C" fn free_safes(stack: *mut OPENSSL_STACK) {
    unsafe extern "C" fn free(safe: *mut c_void) {
        // SAFETY: called for each element of a stack of PKCS7.
        unsafe { PKCS7_free(safe.cast()) };
    }
    // SAFETY: `stack` is a stack of PKCS7 that is ours.
    unsafe { OPENSSL_sk_pop_free(stack, Some(free)) };
}

pub(super) unsafe extern "C" fn free_bags(stack: *mut OPENSSL_STACK) {
    unsafe extern "C" fn free(bag: *mut c_void) {
        // SAFETY: called for each element of a stack of bags.
        unsafe { ffi::PKCS12_SAFEBAG_free(bag.cast()) };
    }
    // SAFETY: `stack` is a stack of bags that is ours.
    unsafe { OPENSSL_sk_pop_free(stack, Some(free)) };
}
