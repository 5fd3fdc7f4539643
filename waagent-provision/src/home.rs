//! Files below a user's home: made with the user's own rights, no link followed, nothing above changed.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown};
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};
use nix::sys::stat::{Mode, fchmod, fstat};
use waagent_common::fault::{Exit, Fault};
use waagent_common::folder::{Folder, Writing, cause};

use crate::accounts::{Account, LoginDefs};
use crate::pass::Pass;
use crate::privileges;

/// Works in the folder of a file below the home, as its user. Folders that are missing are made, 0700.
pub(crate) fn in_folder_of<T>(
    pass: &Pass<'_>,
    account: &Account,
    file: &Path,
    work: impl FnOnce(&Folder) -> Result<T>,
) -> Result<T> {
    let home = pass.root.path(&account.home);
    privileges::as_user(account.uid, account.gid, || {
        let mut folder = open_home(&home, account.uid)?;
        for part in file.parent().unwrap_or(Path::new("")).components() {
            let Component::Normal(part) = part else { bail!("'{}' isn't a plain path", file.display()) };
            folder = enter(&folder, Path::new(part), account.uid)?;
        }
        work(&folder)
    })?
}

fn open_home(home: &Path, uid: u32) -> Result<Folder> {
    let refuse = |why: String| Fault::new(Exit::Os, format!("cannot use home '{}': {why}", home.display()));
    let folder = Folder::open(home).map_err(|fault| refuse(fault.text))?;
    let stat = fstat(&folder)?;
    if stat.st_uid != uid {
        bail!(refuse(format!("it belongs to uid {}, not {uid}", stat.st_uid)));
    }
    if stat.st_mode & 0o022 != 0 {
        bail!(refuse(format!("mode {:04o}: others may write it", stat.st_mode & 0o7777)));
    }
    Ok(folder)
}

/// A folder in it, made if it is missing; tightened where others could write in it.
fn enter(above: &Folder, name: &Path, uid: u32) -> Result<Folder> {
    let is_new = !above.has(name);
    let shown = above.path().join(name);
    let folder = above.enter_or_make(name, 0o700).map_err(|error| refused(&shown, &error.into()))?;
    if is_new {
        above.sync()?;
    }
    let stat = fstat(&folder)?;
    if stat.st_uid != uid {
        let text = format!("'{}' belongs to uid {}, not {uid}", shown.display(), stat.st_uid);
        bail!(Fault::new(Exit::Os, text));
    }
    if stat.st_mode & 0o022 != 0 {
        fchmod(&folder, Mode::S_IRWXU)?;
    }
    Ok(folder)
}

/// The content of a file in it: a plain one, with one name, not too big.
pub(crate) fn read(folder: &Folder, name: &Path, uid: u32) -> Result<Option<Vec<u8>>> {
    let shown = folder.path().join(name);
    let (bytes, meta) = match folder.read(name, MAX_FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| refused(&shown, &error))?,
    };
    let refuse = |why: &str| Fault::new(Exit::Os, format!("cannot use '{}': {why}", shown.display()));
    if meta.nlink() != 1 {
        bail!(refuse("it is no plain file with one name"));
    }
    if meta.uid() != uid && meta.uid() != 0 {
        bail!(refuse(&format!("it belongs to uid {}", meta.uid())));
    }
    Ok(Some(bytes))
}

/// Replaces a file in it whole and durably.
pub(crate) fn replace(folder: &Folder, name: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    // What a killed pass left; anything else with this name is in the user's own folder.
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(".waagent");
    Ok(folder.replace(name, bytes, &Writing { temporary: &temporary, mode, kind: None, durable: true })?)
}

fn refused(path: &Path, error: &std::io::Error) -> Fault {
    let fault = Fault::new(Exit::Os, format!("cannot use '{}': {}", path.display(), cause(error)));
    Fault { errno: error.raw_os_error().map(nix::errno::Errno::from_raw), ..fault }
}

/// Finishes the home of a user that we made: a killed useradd leaves none, or one that root still owns.
pub(crate) fn repair(pass: &mut Pass<'_>, account: &Account) -> Result<bool> {
    let home = pass.root.path(&account.home);
    let meta = match fs::symlink_metadata(&home) {
        Ok(meta) if meta.uid() == account.uid || !meta.is_dir() => return Ok(false),
        Ok(meta) => Some(meta),
        Err(_) => None,
    };
    let failed = || format!("cannot finish home '{}'", home.display());
    if meta.is_none() {
        fs::DirBuilder::new().mode(0o700).create(&home).with_context(failed)?;
    }
    let skeleton = pass.root.path("/etc/skel");
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
    let mode = LoginDefs::read(pass.root).home_mode();
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
