//! What comes from libcrypto: freed once, copied out, and its error queue.

use std::ffi::{CStr, c_int, c_uchar, c_ulong};
use std::ptr::{self, NonNull};

use openssl_sys::{
    ERR_clear_error, ERR_get_error, ERR_reason_error_string, OPENSSL_STACK, OPENSSL_sk_num, OPENSSL_sk_value,
};
use zeroize::Zeroizing;

/// What an `i2d_` function writes; empty where it can't.
pub(super) fn encoded(encode: impl Fn(*mut *mut c_uchar) -> c_int) -> Zeroizing<Vec<u8>> {
    let length = usize::try_from(encode(ptr::null_mut())).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; length]);
    let mut at = bytes.as_mut_ptr();
    if length > 0 {
        encode(&raw mut at);
    }
    bytes
}

/// The elements of a live stack; none of a null one.
pub(super) fn elements<T>(stack: *const OPENSSL_STACK) -> impl Iterator<Item = NonNull<T>> {
    // SAFETY: `stack` is null, which counts as -1, or live as long as the iterator is used.
    let count = unsafe { OPENSSL_sk_num(stack) };
    // SAFETY: as above, and the index is below the count.
    (0..count).filter_map(move |index| NonNull::new(unsafe { OPENSSL_sk_value(stack, index) }.cast()))
}

/// The reasons that libcrypto has queued, first cause first; its queue is empty afterwards. `see` is shown each error: its
/// library and reason are in it (`ERR_GET_LIB`, `ERR_GET_REASON`).
pub(super) fn errors_seen(mut see: impl FnMut(c_ulong)) -> String {
    let mut reasons: Vec<String> = Vec::new();
    loop {
        // SAFETY: no arguments; takes one error off this thread's queue.
        let code = unsafe { ERR_get_error() };
        if code == 0 {
            return reasons.join(", ");
        }
        see(code);
        // SAFETY: any code may be asked for; the result is null or a static C string.
        let reason = unsafe { ERR_reason_error_string(code) };
        if !reason.is_null() && reasons.len() < 4 {
            // SAFETY: not null, hence a static C string.
            reasons.push(unsafe { CStr::from_ptr(reason) }.to_string_lossy().into_owned());
        }
    }
}

pub(super) fn forget_errors() {
    // SAFETY: no arguments; empties this thread's queue.
    unsafe { ERR_clear_error() };
}

/// Something of libcrypto's that is ours to free.
pub(super) struct Owned<T> {
    pointer: NonNull<T>,
    free: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// `free` must be the function that frees what `pointer`, if not null, points to.
    pub(super) fn new(pointer: *mut T, free: unsafe extern "C" fn(*mut T)) -> Option<Self> {
        NonNull::new(pointer).map(|pointer| Self { pointer, free })
    }

    pub(super) const fn as_ptr(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer is ours, and this is the one place that frees it.
        unsafe { (self.free)(self.pointer.as_ptr()) };
    }
}
