//! Files that are either the old or the new one, whenever the power fails.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::fault::{Exit, Fault};
use crate::sys::label;

/// Writes a file whole: temporary file in the same folder, fsync, rename, fsync of the folder.
///
/// The mode is the file's from its creation (less the umask, which is then made good): at no time can more people
/// read it. A temporary file of a run that was killed is replaced.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    write_typed(path, bytes, mode, None)
}

/// Like [`write`], for a file that has another SELinux type than its folder: it has it before its first byte.
pub fn write_typed(path: &Path, bytes: &[u8], mode: u32, kind: Option<&str>) -> Result<(), Fault> {
    let temporary = temporary_beside(path)?;
    let written = write_and_rename(&temporary, path, bytes, mode, kind);
    if written.is_err() {
        // What remains is refused by readers and replaced by the next run; the first error is the one to tell.
        let _left_over = fs::remove_file(&temporary);
    }
    written
}

fn write_and_rename(
    temporary: &Path,
    path: &Path,
    bytes: &[u8],
    mode: u32,
    kind: Option<&str>,
) -> Result<(), Fault> {
    let failed = |act: &str, error: std::io::Error| {
        Fault::new(Exit::CannotCreate, format!("cannot {act} '{}': {error}", path.display())).because(error)
    };
    let mut file = create_new(temporary, mode).map_err(|e| failed("create", e))?;
    if let Some(kind) = kind {
        label::set_type(file.as_fd(), kind).map_err(|e| failed("label", e))?;
    }
    file.write_all(bytes).map_err(|e| failed("write", e))?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(|e| failed("set the mode of", e))?;
    file.sync_all().map_err(|e| failed("write", e))?;
    fs::rename(temporary, path).map_err(|e| failed("replace", e))?;
    sync_folder(path).map_err(|e| failed("write the folder of", e))
}

/// Removes a file durably; one that isn't there is no error. Says whether there was one.
pub fn remove(path: &Path) -> Result<bool, Fault> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path).map(|()| true).map_err(|e| {
            Fault::io(format!("cannot write the folder of '{}': {e}", path.display())).because(e)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
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
    let refuse = |exit, why: &str| Fault::new(exit, format!("cannot read '{}': {why}", path.display()));
    let file = open_regular(path)?;
    let meta = file.metadata().map_err(|e| refuse(Exit::Io, &e.to_string()))?;
    if meta.len() > max {
        return Err(refuse(Exit::Data, &format!("{} bytes, more than the {max} allowed", meta.len())));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.take(max + 1).read_to_end(&mut bytes).map_err(|e| refuse(Exit::Io, &e.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max) {
        return Err(refuse(Exit::Data, &format!("grew over the {max} bytes allowed")));
    }
    Ok((bytes, Owner { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() & 0o7777 }))
}

/// Opens a regular file for reading, without following a link or waiting for a pipe.
pub fn open_regular(path: &Path) -> Result<File, Fault> {
    let refuse = |exit, why: &str| Fault::new(exit, format!("cannot read '{}': {why}", path.display()));
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| match (error.kind(), error.raw_os_error()) {
            (std::io::ErrorKind::NotFound, _) => refuse(Exit::NoInput, "no such file"),
            (_, Some(libc::ELOOP)) => refuse(Exit::Data, "it is a symbolic link; remove it"),
            _ => refuse(Exit::Io, &error.to_string()),
        })?;
    let meta = file.metadata().map_err(|e| refuse(Exit::Io, &e.to_string()))?;
    if !meta.is_file() {
        return Err(refuse(Exit::Data, "it is no regular file; remove it"));
    }
    Ok(file)
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

fn create_new(path: &Path, mode: u32) -> std::io::Result<File> {
    let open = || {
        OpenOptions::new().write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path)
    };
    match open() {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()
        }
        opened => opened,
    }
}

/// A hidden name in the same folder; the same each time, so that a killed run leaves at most one.
fn temporary_beside(path: &Path) -> Result<PathBuf, Fault> {
    let name = path
        .file_name()
        .ok_or_else(|| Fault::new(Exit::Software, format!("'{}' has no file name", path.display())))?;
    Ok(path.with_file_name(format!(".{}.tmp", name.to_string_lossy())))
}

/// Makes a rename, creation or removal in a file's folder durable.
pub fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
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
