//! Files below a user's home: made with the user's own rights, no link followed, nothing above changed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, RenameFlags, openat, renameat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use waagent_common::fault::{Exit, Fault};

use crate::accounts::{Account, LoginDefs};
use crate::pass::Pass;
use crate::privileges;

/// A folder at or below a home, held open.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    shown: PathBuf,
}

/// Works in the folder of a file below the home, as its user. Folders that are missing are made, 0700.
pub(crate) fn in_folder_of<T>(
    pass: &Pass<'_>,
    account: &Account,
    file: &Path,
    work: impl FnOnce(&Folder) -> Result<T>,
) -> Result<T> {
    let home = pass.place.path(&account.home);
    privileges::as_user(account.uid, account.gid, || {
        let mut folder = open_home(&home, account.uid)?;
        for part in file.parent().unwrap_or(Path::new("")).components() {
            let Component::Normal(part) = part else { bail!("'{}' isn't a plain path", file.display()) };
            folder = folder.enter(Path::new(part), account.uid)?;
        }
        work(&folder)
    })?
}

fn open_home(home: &Path, uid: u32) -> Result<Folder> {
    let refuse = |why: String| Fault::new(Exit::Os, format!("cannot use home '{}': {why}", home.display()));
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    let opened = fs::OpenOptions::new().read(true).custom_flags(flags).open(home);
    let file = opened.map_err(|error| refuse(error.to_string()))?;
    let meta = file.metadata()?;
    if meta.uid() != uid {
        bail!(refuse(format!("it belongs to uid {}, not {uid}", meta.uid())));
    }
    if meta.mode() & 0o022 != 0 {
        bail!(refuse(format!("mode {:04o}: others may write it", meta.mode() & 0o7777)));
    }
    Ok(Folder { fd: file.into(), shown: home.to_path_buf() })
}

impl Folder {
    /// A folder in it, made if it is missing; tightened where others could write in it.
    fn enter(&self, name: &Path, uid: u32) -> Result<Self> {
        let shown = self.shown.join(name);
        let opened = match self.open(name, OFlag::O_DIRECTORY) {
            Err(Errno::ENOENT) => {
                mkdirat(&self.fd, name, Mode::S_IRWXU)
                    .map_err(|e| Fault::io(format!("cannot make '{}': {e}", shown.display())).because(e))?;
                File::from(self.fd.try_clone()?).sync_all()?;
                self.open(name, OFlag::O_DIRECTORY)
            }
            opened => opened,
        };
        let fd = opened.map_err(|error| refused(&shown, error))?;
        let file = File::from(fd);
        let meta = file.metadata()?;
        if meta.uid() != uid {
            bail!(Fault::new(
                Exit::Os,
                format!("'{}' belongs to uid {}, not {uid}", shown.display(), meta.uid())
            ));
        }
        if meta.mode() & 0o022 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { fd: file.into(), shown })
    }

    /// The content of a file in it: a plain one, with one name, not too big.
    pub fn read(&self, name: &Path, uid: u32) -> Result<Option<Vec<u8>>> {
        let shown = self.shown.join(name);
        let fd = match self.open(name, OFlag::O_NONBLOCK) {
            Err(Errno::ENOENT) => return Ok(None),
            opened => opened.map_err(|error| refused(&shown, error))?,
        };
        let file = File::from(fd);
        let meta = file.metadata()?;
        let refuse = |why: &str| Fault::new(Exit::Os, format!("cannot use '{}': {why}", shown.display()));
        if !meta.is_file() || meta.nlink() != 1 {
            bail!(refuse("it is no plain file with one name"));
        }
        if meta.uid() != uid && meta.uid() != 0 {
            bail!(refuse(&format!("it belongs to uid {}", meta.uid())));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len())? > MAX_FILE {
            bail!(refuse("larger than 1 MiB"));
        }
        Ok(Some(bytes))
    }

    /// Replaces a file in it whole and durably.
    pub(crate) fn replace(&self, name: &Path, bytes: &[u8], mode: u32) -> Result<()> {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".waagent");
        let temporary = Path::new(&hidden);
        // What a killed pass left; anything else with this name is in the user's own folder.
        let _absent = unlinkat(&self.fd, temporary, UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
        let opened = self.open_with(temporary, flags, Mode::from_bits_truncate(mode));
        let shown = self.shown.join(name);
        let mut file = File::from(opened.map_err(|error| refused(&shown, error))?);
        file.write_all(bytes).and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))?;
        file.sync_all()?;
        renameat2(&self.fd, temporary, &self.fd, name, RenameFlags::empty())
            .map_err(|error| refused(&shown, error))?;
        File::from(self.fd.try_clone()?).sync_all()?;
        Ok(())
    }

    fn open(&self, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        self.open_with(name, flags, Mode::empty())
    }

    fn open_with(&self, name: &Path, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        // One step at a time, so a link can't lead away. Not openat2: RestrictSUIDSGID= of the unit refuses it (ENOSYS).
        let mut parts = name.components();
        let (Some(Component::Normal(_)), None) = (parts.next(), parts.next()) else {
            return Err(Errno::EINVAL);
        };
        openat(self.fd.as_fd(), name, flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, mode)
    }
}

fn refused(path: &Path, error: Errno) -> Fault {
    let why = match error {
        Errno::ELOOP => "it is a symbolic link; remove it".to_owned(),
        Errno::ENOTDIR => "it is a symbolic link, or no folder; remove it".to_owned(),
        other => std::io::Error::from(other).to_string(),
    };
    Fault::new(Exit::Os, format!("cannot use '{}': {why}", path.display())).because(error)
}

/// Finishes the home of a user that we made: a killed useradd leaves none, or one that root still owns.
pub(crate) fn repair(pass: &mut Pass<'_>, account: &Account) -> Result<bool> {
    let home = pass.place.path(&account.home);
    let meta = match fs::symlink_metadata(&home) {
        Ok(meta) if meta.uid() == account.uid || !meta.is_dir() => return Ok(false),
        Ok(meta) => Some(meta),
        Err(_) => None,
    };
    let failed = || format!("cannot finish home '{}'", home.display());
    if meta.is_none() {
        fs::DirBuilder::new().mode(0o700).create(&home).with_context(failed)?;
    }
    let skeleton = pass.place.path("/etc/skel");
    // Bounded by the administrator's own skeleton, and by depth.
    let mut folders = vec![(skeleton, home.clone(), 0)];
    while let Some((from, to, depth)) = folders.pop() {
        for entry in fs::read_dir(&from).into_iter().flatten().filter_map(Result::ok) {
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            copy_entry(&source, &target).with_context(failed)?;
            lchown(&target, Some(account.uid), Some(account.gid)).with_context(failed)?;
            if depth < 8 && fs::symlink_metadata(&source).is_ok_and(|meta| meta.is_dir()) {
                folders.push((source, target, depth + 1));
            }
        }
    }
    chown(&home, Some(account.uid), Some(account.gid)).with_context(failed)?;
    let mode = LoginDefs::read(pass.place).home_mode();
    fs::set_permissions(&home, fs::Permissions::from_mode(mode)).with_context(failed)?;
    pass.touched.push(home);
    Ok(true)
}

/// One entry of the skeleton, where the home has none of that name, or half of it.
fn copy_entry(source: &Path, target: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(source)?;
    if fs::symlink_metadata(target).is_ok_and(|there| !there.is_file() || there.len() == meta.len()) {
        return Ok(());
    }
    if meta.is_dir() {
        fs::DirBuilder::new().mode(meta.mode() & 0o777).create(target)?;
    } else if meta.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(source)?, target)?;
    } else if meta.is_file() {
        fs::copy(source, target)?;
    }
    Ok(())
}

const MAX_FILE: u64 = 1 << 20;
