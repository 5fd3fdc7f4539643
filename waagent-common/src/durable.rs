//! Files that are either the old or the new one, whenever the power fails.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::AT_FDCWD;

use crate::fault::{Exit, Fault};
use crate::folder::{self, Folder, Writing};

/// Writes a file whole: temporary file in the same folder, fsync, rename, fsync of the folder.
///
/// The mode is the file's from its creation (less the umask, which is then made good): at no time can more people
/// read it. A temporary file of a run that was killed is replaced.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    write_typed(path, bytes, mode, None)
}

/// Like [`write`], for a file that has another SELinux type than its folder: it has it before its first byte.
pub fn write_typed(path: &Path, bytes: &[u8], mode: u32, kind: Option<&str>) -> Result<(), Fault> {
    let name = path
        .file_name()
        .ok_or_else(|| Fault::new(Exit::Software, format!("'{}' has no file name", path.display())))?;
    let folder = Folder::of(path).map_err(|error| {
        Fault::new(Exit::CannotCreate, format!("cannot create '{}': {error}", path.display())).because(error)
    })?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".tmp");
    folder.replace(name, bytes, &Writing { temporary: &temporary, mode, kind, durable: true })
}

/// Removes a file durably; one that isn't there is no error. Says whether there was one.
pub fn remove(path: &Path) -> Result<bool, Fault> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path).map(|()| true).map_err(|e| {
            Fault::io(format!("cannot write the folder of '{}': {e}", path.display())).because(e)
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Fault::io(format!("cannot remove '{}': {error}", path.display())).because(error)),
    }
}

/// Reads a regular file of at most `max` bytes; symbolic links, devices and pipes are refused, never followed or
/// waited for.
pub fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>, Fault> {
    read_with_owner(path, max).map(|(bytes, _)| bytes)
}

/// Like [`read_bounded`], with the owner and mode of the file that was read.
pub fn read_with_owner(path: &Path, max: u64) -> Result<(Vec<u8>, Owner), Fault> {
    let file = open_regular(path)?;
    let (bytes, meta) = folder::read(&file, max).map_err(|error| unreadable(path, &error))?;
    Ok((bytes, Owner { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() & 0o7777 }))
}

/// Opens a regular file for reading, without following a link or waiting for a pipe.
pub fn open_regular(path: &Path) -> Result<File, Fault> {
    folder::open_regular(AT_FDCWD, path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    let (exit, why) = match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound, _) => (Exit::NoInput, "no such file".to_owned()),
        (ErrorKind::InvalidData, None) => (Exit::Data, error.to_string()),
        (_, Some(libc::ELOOP)) => (Exit::Data, folder::cause(error)),
        _ => (Exit::Io, error.to_string()),
    };
    Fault::new(exit, format!("cannot read '{}': {why}", path.display()))
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// Makes a rename, creation or removal in a file's folder durable.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    Folder::of(path)?.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_whole_with_the_mode_and_leaves_no_temporary() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        fs::write(dir.path().join(".a.json.tmp"), "left over").unwrap();
        write(&path, b"one", 0o640).unwrap();
        write(&path, b"two", 0o640).unwrap();
        let (bytes, owner) = read_with_owner(&path, 10).unwrap();
        assert_eq!((bytes.as_slice(), owner.mode), (b"two".as_slice(), 0o640));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn refuses_links_pipes_and_what_is_too_big() {
        let dir = tempfile::tempdir().unwrap();
        let big = dir.path().join("big");
        fs::write(&big, vec![0; 11]).unwrap();
        assert_eq!(read_bounded(&big, 10).unwrap_err().exit, Exit::Data);
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&big, &link).unwrap();
        assert!(read_bounded(&link, 99).unwrap_err().text.contains("symbolic link"));
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_bounded(&pipe, 99).unwrap_err().text.contains("no regular file"));
        assert_eq!(read_bounded(&dir.path().join("none"), 9).unwrap_err().exit, Exit::NoInput);
    }
}
