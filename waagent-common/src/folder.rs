//! A folder that others can change under our hands: opened once, then used by its descriptor. What is in it is written
//! whole, and read only if it is a plain file.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::fault::{Exit, Fault};
use crate::sys::label;

/// How a folder is opened: itself, not what a link in its place leads to.
pub const FLAGS: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// An open folder. Names below it are single parts: nothing leads out of it.
///
/// Not openat2(2), which could say so: `RestrictSUIDSGID=` of a unit refuses it (ENOSYS).
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// How a file is replaced.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// What it is called until it is whole; the same each time, so that a killed run leaves at most one. What has this
    /// name is taken for that.
    pub temporary: &'a OsStr,
    /// The file's from its creation (less the umask, which is then made good): at no time can more people read it.
    pub mode: u32,
    /// SELinux type, if it has another one than its folder: it has it before its first byte.
    pub kind: Option<&'a str>,
    /// Also after a power cut it is the old file or the new one.
    pub durable: bool,
}

impl Folder {
    /// Opens a folder; a link in its place is refused.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let fd = openat(AT_FDCWD, path, FLAGS, Mode::empty()).map_err(|error| fault("open", path, error))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// The folder of a file, wherever links in its path lead.
    pub(crate) fn of(path: &Path) -> nix::Result<Self> {
        let path = match path.parent() {
            None => Path::new("/"),
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
        };
        let fd = openat(AT_FDCWD, path, FLAGS.difference(OFlag::O_NOFOLLOW), Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a folder below.
    pub fn enter(&self, name: impl AsRef<Path>) -> nix::Result<Self> {
        let name = part(name.as_ref())?;
        let fd = openat(&self.fd, name, FLAGS, Mode::empty())?;
        Ok(Self { fd, path: self.path.join(name) })
    }

    /// Opens a folder below, and makes it if there is nothing of that name.
    pub fn enter_or_make(&self, name: impl AsRef<Path>, mode: u32) -> nix::Result<Self> {
        match self.enter(name.as_ref()) {
            Err(Errno::ENOENT) => {
                mkdirat(&self.fd, part(name.as_ref())?, Mode::from_bits_truncate(mode))?;
                self.enter(name)
            }
            entered => entered,
        }
    }

    /// Opens a folder below, and makes it, its mode or its kind what they should be.
    pub fn make(&self, name: &str, mode: u32) -> Result<Self, Fault> {
        let failed = |error| fault("make", &self.path.join(name), error);
        let folder = match self.enter_or_make(name, mode) {
            // Somebody put something else in its place.
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                self.remove(name).map_err(failed)?;
                self.enter_or_make(name, mode)
            }
            entered => entered,
        }
        .map_err(failed)?;
        fchmod(&folder, Mode::from_bits_truncate(mode)).map_err(failed)?;
        Ok(folder)
    }

    /// Where it was when it was opened; for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole: temporary file, rename. The old one or the new one is seen, never a part.
    pub fn replace(&self, name: impl AsRef<Path>, bytes: &[u8], how: &Writing<'_>) -> Result<(), Fault> {
        let written = self.write_and_rename(name.as_ref(), bytes, how);
        written.map_err(|(act, error)| {
            // What remains is refused by readers and replaced by the next run; the first error is the one to tell.
            let _left_over = self.remove(how.temporary);
            let path = self.path.join(name.as_ref());
            Fault::new(Exit::CannotCreate, format!("cannot {act} '{}': {error}", path.display()))
        })
    }

    fn write_and_rename(
        &self,
        name: &Path,
        bytes: &[u8],
        how: &Writing<'_>,
    ) -> Result<(), (&str, io::Error)> {
        let mut file = match self.create(how.temporary, how.mode) {
            // Of a run that was killed.
            Err(Errno::EEXIST) => {
                self.remove(how.temporary).and_then(|()| self.create(how.temporary, how.mode))
            }
            created => created,
        }
        .map_err(|error| ("create", error.into()))?;
        if let Some(kind) = how.kind {
            label::set_type(file.as_fd(), kind).map_err(|error| ("label", error))?;
        }
        file.write_all(bytes).map_err(|error| ("write", error))?;
        file.set_permissions(Permissions::from_mode(how.mode)).map_err(|error| ("set the mode of", error))?;
        if how.durable {
            file.sync_all().map_err(|error| ("write", error))?;
        }
        part(name)
            .and_then(|name| renameat(&self.fd, Path::new(how.temporary), &self.fd, name))
            .map_err(|error| ("replace", error.into()))?;
        if how.durable {
            self.sync().map_err(|error| ("write the folder of", error))?;
        }
        Ok(())
    }

    /// Makes a file, open for writing, where there is nothing of that name.
    pub fn create(&self, name: impl AsRef<Path>, mode: u32) -> nix::Result<File> {
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.fd, part(name.as_ref())?, new, Mode::from_bits_truncate(mode)).map(File::from)
    }

    /// What was made, renamed or removed in it is so after a power cut, too.
    pub fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(&self.fd)?)
    }

    /// Reads a regular file of at most `max` bytes, with its metadata. A link, a pipe or a bigger file is an error.
    pub fn read(&self, name: impl AsRef<Path>, max: u64) -> io::Result<(Vec<u8>, Metadata)> {
        read(&self.open_regular(name)?, max)
    }

    /// Looks at a regular file without opening it.
    pub fn look(&self, name: impl AsRef<Path>) -> io::Result<FileStat> {
        let stat = fstatat(&self.fd, part(name.as_ref())?, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG {
            Ok(stat)
        } else {
            Err(irregular())
        }
    }

    /// Is there something of that name?
    pub fn has(&self, name: impl AsRef<Path>) -> bool {
        part(name.as_ref()).is_ok_and(|name| fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok())
    }

    /// Opens a regular file for reading; nothing is followed or waited for.
    pub fn open_regular(&self, name: impl AsRef<Path>) -> io::Result<File> {
        open_regular(self.as_fd(), part(name.as_ref())?)
    }

    /// Names in it, at most `max`.
    pub fn names(&self, max: usize) -> Vec<String> {
        let Ok(mut folder) = nix::dir::Dir::openat(&self.fd, ".", FLAGS, Mode::empty()) else {
            return Vec::new();
        };
        folder
            .iter()
            .map_while(Result::ok)
            .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
            .filter(|name| name != "." && name != "..")
            .take(max)
            .collect()
    }

    /// Removes a file; one that isn't there is no error.
    pub fn remove(&self, name: impl AsRef<Path>) -> nix::Result<()> {
        match unlinkat(&self.fd, part(name.as_ref())?, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            removed => removed,
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Opens a regular file for reading, at a folder; nothing is followed at the path's end, or waited for.
pub(crate) fn open_regular(folder: BorrowedFd<'_>, path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = File::from(openat(folder, path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(irregular()) }
}

/// All of a file of at most `max` bytes, with its metadata. `InvalidData`: it is bigger.
pub fn read(file: &File, max: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidData, why));
    let meta = file.metadata()?;
    if meta.len() > max {
        return refuse(format!("{} bytes, more than the {max} allowed", meta.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > max) {
        return refuse(format!("grew over the {max} bytes allowed"));
    }
    Ok((bytes, meta))
}

/// What people are told of an error: two of them mean what they don't say.
pub fn cause(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ELOOP) => "it is a symbolic link; remove it".to_owned(),
        Some(libc::ENOTDIR) => "it is a symbolic link, or no folder; remove it".to_owned(),
        _ => error.to_string(),
    }
}

/// One step at a time, so a link can't lead away.
fn part(name: &Path) -> nix::Result<&Path> {
    let mut parts = name.components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(only)), None) if only == name.as_os_str() => Ok(name),
        _ => Err(Errno::EINVAL),
    }
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is no regular file; remove it")
}

fn fault(act: &str, path: &Path, error: Errno) -> Fault {
    let exit = if error == Errno::ENOENT { Exit::NoInput } else { Exit::CannotCreate };
    Fault::new(exit, format!("cannot {act} folder '{}': {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn writing(temporary: &str) -> Writing<'_> {
        Writing { temporary: OsStr::new(temporary), mode: 0o640, kind: None, durable: true }
    }

    #[test]
    fn a_name_leads_to_what_is_in_the_folder_and_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("out"), "x").unwrap();
        fs::write(dir.path().join("in/file"), "y").unwrap();
        symlink(dir.path(), dir.path().join("in/up")).unwrap();
        let folder = Folder::open(&dir.path().join("in")).unwrap();
        assert_eq!(folder.read("file", 9).unwrap().0, b"y");
        for name in ["../out", "up/out", "/etc/passwd", "..", ".", "", "file/"] {
            assert!(folder.read(name, 99).is_err(), "{name}");
            assert!(folder.enter(name).is_err() && folder.remove(name).is_err(), "{name}");
            assert!(folder.replace(name, b"z", &writing(".new")).is_err(), "{name}");
        }
        assert_eq!(folder.enter("up").unwrap_err(), Errno::ENOTDIR);
        assert!(Folder::open(&dir.path().join("in/up")).is_err());
        assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"x");
        assert_eq!(folder.names(9).len(), 2, "{:?}", folder.names(9));
    }

    #[test]
    fn replaces_a_file_and_whatever_has_the_temporary_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("kept"), "kept").unwrap();
        symlink("kept", dir.path().join(".new")).unwrap();
        symlink("kept", dir.path().join("file")).unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.replace("file", b"new", &writing(".new")).unwrap();
        let (bytes, meta) = folder.read("file", 3).unwrap();
        assert_eq!((bytes.as_slice(), meta.permissions().mode() & 0o7777), (&b"new"[..], 0o640));
        assert_eq!(fs::read(dir.path().join("kept")).unwrap(), b"kept");
        assert_eq!(folder.names(9).len(), 2);
    }

    #[test]
    fn makes_a_folder_of_what_somebody_put_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        fs::write(dir.path().join("a"), "").unwrap();
        symlink("/etc", dir.path().join("b")).unwrap();
        for name in ["a", "b", "c", "c"] {
            let made = folder.make(name, 0o700).unwrap();
            assert_eq!(made.path(), dir.path().join(name));
            let meta = fs::symlink_metadata(made.path()).unwrap();
            assert!(meta.is_dir() && meta.permissions().mode() & 0o7777 == 0o700, "{name}");
        }
    }
}
