//! A folder that a handler can change under our hands: opened once, then used by its descriptor.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use waagent_common::fault::{Exit, Fault};

/// An open folder. Names below it are single parts: nothing leads out of it.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder; a link in its place is refused.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let fd = openat(AT_FDCWD, path, FOLDER, Mode::empty()).map_err(|error| fault("open", path, error))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Opens a folder below, and makes it, its mode or its kind what they should be.
    pub fn make(&self, name: &str, mode: u32) -> Result<Self, Fault> {
        let path = self.path.join(name);
        let failed = |error| fault("make", &path, error);
        let bits = Mode::from_bits_truncate(mode);
        let fd = match self.enter(name) {
            Err(Errno::ENOENT) => self.new_folder(name, bits),
            // A handler put something else in its place.
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir).map_err(failed)?;
                self.new_folder(name, bits)
            }
            entered => entered,
        }
        .map_err(failed)?;
        fchmod(&fd, bits).map_err(failed)?;
        Ok(Self { fd, path })
    }

    /// Opens a folder below, if there is one.
    pub fn enter_if_there(&self, name: &str) -> Option<Self> {
        let fd = self.enter(name).ok()?;
        Some(Self { fd, path: self.path.join(name) })
    }

    fn enter(&self, name: &str) -> nix::Result<OwnedFd> {
        openat(&self.fd, name, FOLDER, Mode::empty())
    }

    fn new_folder(&self, name: &str, mode: Mode) -> nix::Result<OwnedFd> {
        mkdirat(&self.fd, name, mode)?;
        self.enter(name)
    }

    /// Where it was when it was opened; for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file whole: the old one or the new one is seen, never a part. `durable`: also after a power cut.
    ///
    /// The temporary name ends in nothing that a handler looks for, and doesn't begin with a number.
    pub fn write(&self, name: &str, bytes: &[u8], mode: u32, durable: bool) -> Result<(), Fault> {
        let failed = |error: std::io::Error| {
            let text = format!("cannot write '{}': {error}", self.path.join(name).display());
            Fault::new(Exit::CannotCreate, text)
        };
        let temporary = ".tmp-waagent";
        let bits = Mode::from_bits_truncate(mode);
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, temporary, new, bits) {
            // Of a run that was killed.
            Err(Errno::EEXIST) => {
                self.remove(temporary).map_err(|e| failed(e.into()))?;
                openat(&self.fd, temporary, new, bits)
            }
            opened => opened,
        }
        .map_err(|e| failed(e.into()))?;
        let mut file = File::from(fd);
        fchmod(&file, bits).map_err(|e| failed(e.into()))?;
        file.write_all(bytes).map_err(failed)?;
        if durable {
            file.sync_all().map_err(failed)?;
        }
        renameat(&self.fd, temporary, &self.fd, name).map_err(|e| failed(e.into()))
    }

    /// Reads a regular file of at most `max` bytes, with its metadata. A link, a pipe or a bigger file is an error.
    pub fn read(&self, name: &str, max: u64) -> std::io::Result<(Vec<u8>, std::fs::Metadata)> {
        let file = self.open_regular(name)?;
        let meta = file.metadata()?;
        if meta.len() > max {
            return Err(std::io::Error::other(format!("{} bytes, more than the {max} allowed", meta.len())));
        }
        let mut bytes = Vec::new();
        file.take(max + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > max) {
            return Err(std::io::Error::other(format!("grew over the {max} bytes allowed")));
        }
        Ok((bytes, meta))
    }

    /// Looks at a regular file without opening it.
    pub fn look(&self, name: &str) -> std::io::Result<FileStat> {
        let stat = fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG {
            Ok(stat)
        } else {
            Err(std::io::Error::other(IRREGULAR))
        }
    }

    /// Opens a regular file for reading; nothing is followed or waited for.
    pub fn open_regular(&self, name: &str) -> std::io::Result<File> {
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.fd, name, flags, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other(IRREGULAR)) }
    }

    /// Names in it, at most `max`.
    pub fn names(&self, max: usize) -> Vec<String> {
        let Ok(mut folder) = nix::dir::Dir::openat(&self.fd, ".", FOLDER, Mode::empty()) else {
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
    pub fn remove(&self, name: &str) -> nix::Result<()> {
        match unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir) {
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

fn fault(act: &str, path: &Path, error: Errno) -> Fault {
    let exit = if error == Errno::ENOENT { Exit::NoInput } else { Exit::CannotCreate };
    Fault::new(exit, format!("cannot {act} folder '{}': {error}", path.display()))
}

const IRREGULAR: &str = "it is no regular file";
const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);
