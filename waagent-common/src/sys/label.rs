//! The SELinux label of an open file or folder.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

const NAME: &std::ffi::CStr = c"security.selinux";
/// Longest label, in bytes.
const MAX: usize = 4096;

/// Its label; none where it has none.
pub fn get(file: BorrowedFd<'_>) -> io::Result<Option<String>> {
    let mut bytes = [0_u8; MAX];
    // SAFETY: the name ends with a zero byte, the buffer has the length that is told, both live through the call.
    let length =
        unsafe { libc::fgetxattr(file.as_raw_fd(), NAME.as_ptr(), bytes.as_mut_ptr().cast(), bytes.len()) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ENODATA) { Ok(None) } else { Err(error) };
    };
    let label = bytes.get(..length).unwrap_or_default();
    let label = label.strip_suffix(b"\0").unwrap_or(label);
    Ok(Some(String::from_utf8_lossy(label).into_owned()))
}

/// Labels it.
pub fn set(file: BorrowedFd<'_>, label: &str) -> io::Result<()> {
    let value = std::ffi::CString::new(label)?;
    let bytes = value.as_bytes_with_nul();
    // SAFETY: name and value end with a zero byte, the value has the length that is told, both live through the call.
    let set =
        unsafe { libc::fsetxattr(file.as_raw_fd(), NAME.as_ptr(), bytes.as_ptr().cast(), bytes.len(), 0) };
    if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives it another type; the rest of the label stays.
pub fn set_type(file: BorrowedFd<'_>, kind: &str) -> io::Result<()> {
    let now = get(file)?.ok_or_else(|| io::Error::other("it has no SELinux label to change"))?;
    let mut parts: Vec<&str> = now.splitn(4, ':').collect();
    let part = parts.get_mut(2).ok_or_else(|| io::Error::other(format!("its SELinux label is '{now}'")))?;
    *part = kind;
    set(file, &parts.join(":"))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn reads_the_label_that_was_set() {
        if std::path::Path::new("/sys/fs/selinux/enforce").exists() {
            return waagent_untested::not_tested("this machine's policy has a say in labels");
        }
        if !waagent_untested::is_root("to set a label") {
            return;
        }
        let file = tempfile::tempfile().unwrap();
        assert_eq!(get(file.as_fd()).unwrap(), None);
        set(file.as_fd(), "system_u:object_r:swapfile_t:s0").unwrap();
        assert_eq!(get(file.as_fd()).unwrap().unwrap(), "system_u:object_r:swapfile_t:s0");
        set_type(file.as_fd(), "mnt_t").unwrap();
        assert_eq!(get(file.as_fd()).unwrap().unwrap(), "system_u:object_r:mnt_t:s0");
    }
}
