//! The system's libcrypt (libxcrypt): crypt(3), crypt_gensalt(3).

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::io;

/// Room for `struct crypt_data`: libxcrypt's has 32 KiB, the old C library's 131 232 bytes.
const DATA: usize = 256 << 10;
/// `CRYPT_GENSALT_OUTPUT_SIZE` of crypt.h.
const SETTING: usize = 192;

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt_r(phrase: *const c_char, setting: *const c_char, data: *mut c_void) -> *mut c_char;
    fn crypt_gensalt_rn(
        prefix: *const c_char,
        count: c_ulong,
        rbytes: *const c_char,
        nrbytes: c_int,
        output: *mut c_char,
        output_size: c_int,
    ) -> *mut c_char;
}

/// The hash of a phrase by a setting (`$6$salt`), or why the library refuses it.
pub fn hash(phrase: &[u8], setting: &str) -> io::Result<String> {
    let phrase = CString::new(phrase).map_err(|_| io::Error::other("the password holds a NUL"))?;
    let setting = CString::new(setting).map_err(|_| io::Error::other("the setting holds a NUL"))?;
    // Of 16-byte words, so that it is aligned for whatever the library keeps in it.
    let mut data = vec![0_u128; DATA / 16];
    // SAFETY: both texts end with a NUL; `data` is zeroed, as crypt_r(3) asks for its first use, and larger than any
    // library's crypt_data.
    let result = unsafe { crypt_r(phrase.as_ptr(), setting.as_ptr(), data.as_mut_ptr().cast()) };
    let hash = if result.is_null() {
        Err(io::Error::last_os_error())
    } else {
        // SAFETY: not null, so it points to a text that ends with a NUL, inside `data`.
        let text = unsafe { CStr::from_ptr(result) };
        Ok(text.to_string_lossy().into_owned())
    };
    data.fill(0);
    std::hint::black_box(&data);
    wipe(&mut phrase.into_bytes());
    match hash {
        Ok(hash) if hash.starts_with('*') => Err(io::Error::other("libcrypt refuses this method or setting")),
        hash => hash,
    }
}

/// A new setting with salt, from the kernel's random numbers, for a method that chooses its own (`$y$`, `$2b$` ...);
/// `cost` 0 is the library's default.
pub fn setting(prefix: &str, cost: u32) -> io::Result<String> {
    let prefix = CString::new(prefix).map_err(|_| io::Error::other("the prefix holds a NUL"))?;
    let mut output = [0_u8; SETTING];
    let size = c_int::try_from(output.len()).map_err(io::Error::other)?;
    // SAFETY: the prefix ends with a NUL, the output has the size that is told; no random bytes are passed, so the
    // library asks the kernel for them.
    let result = unsafe {
        crypt_gensalt_rn(
            prefix.as_ptr(),
            c_ulong::from(cost),
            std::ptr::null(),
            0,
            output.as_mut_ptr().cast(),
            size,
        )
    };
    if result.is_null() {
        return Err(io::Error::last_os_error());
    }
    let text = CStr::from_bytes_until_nul(&output).map_err(io::Error::other)?;
    Ok(text.to_string_lossy().into_owned())
}

/// Overwrites a secret; the compiler may not leave this out.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: the range is ours, and writable.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast(), bytes.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_like_everybody_else() {
        // `openssl passwd -6 -salt saltstring`
        let expected = "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
        assert_eq!(hash(b"Hello world!", "$6$saltstring").unwrap(), expected);
    }

    #[test]
    fn makes_a_setting_that_works() {
        let made = setting("$2b$", 5).unwrap();
        assert!(hash(b"x", &made).unwrap().starts_with("$2b$05$"));
    }

    #[test]
    fn refuses_what_libcrypt_does_not_know() {
        assert!(hash(b"x", "$nonsense$").is_err());
        assert!(hash(b"a\0b", "$6$salt").is_err());
    }
}
