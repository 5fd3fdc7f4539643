//! Writing a package's entries into a new folder, which takes its place only when all is there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::sys::statvfs::fstatvfs;
use waagent_common::documents::Extension;
use waagent_common::fault::{Exit, Fault};
use waagent_common::folder::Folder;
use waagent_common::text::shown;
use waagent_common::{remove, resident};

use super::entries::{Content, Listing, list};
use super::{Limits, broken_off, names};
use crate::error::{ExtensionError, code};
use crate::handler::folder::replace;
use crate::handler::paths::HandlerPaths;
use crate::handler::{carry_over, manifest};

/// Unpacks the archive into the handler's folder. What was there before is replaced; `keep`: but for how far the
/// handler was, and its statuses.
pub fn unpack(
    archive: &File,
    home: &HandlerPaths,
    limits: &Limits,
    keep: bool,
) -> Result<(), ExtensionError> {
    let refuse = |fault: Fault| {
        let text = format!(
            "Failed to download artifacts: [ExtensionDownloadError] package {}: {fault}",
            home.full_name()
        );
        ExtensionError::new(code::PACKAGE_EXTRACTION, "Download", text)
    };
    let listing = list(archive, limits).map_err(refuse)?;
    let staging = beside(home, "unpack");
    remove::tree(&staging);
    let folder = make(&staging).map_err(refuse)?;
    let filled =
        fill(&listing, &folder, limits).map_err(refuse).and_then(|()| place_manifest(&listing, &folder));
    let placed = filled.and_then(|()| take_place(home, &folder, &staging, keep).map_err(refuse));
    if placed.is_err() {
        remove::tree(&staging);
    }
    placed
}

/// What the archive has as its manifest, before anything of it is unpacked.
pub(crate) fn manifest(
    archive: &File,
    extension: &Extension,
    limits: &Limits,
) -> Result<Vec<u8>, ExtensionError> {
    let refuse = |fault: Fault| {
        let text = format!(
            "Failed to download artifacts: [ExtensionDownloadError] package {}-{}: {fault}",
            extension.name, extension.version
        );
        ExtensionError::new(code::PACKAGE_EXTRACTION, "Download", text)
    };
    let listing = list(archive, limits).map_err(refuse)?;
    let index = least_deep(&listing).ok_or_else(|| no_manifest("not found in the package"))?;
    let content = listing.open(index).map_err(refuse)?;
    let mut bytes = Vec::new();
    content
        .take(manifest::MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(Fault::data(shown(&error.to_string()))))?;
    bounded(bytes)
}

/// A hidden name in the same folder, which no agent takes for a handler.
pub(crate) fn beside(home: &HandlerPaths, kind: &str) -> PathBuf {
    home.base().with_file_name(format!(".{}.{kind}", home.full_name()))
}

fn make(path: &Path) -> Result<Folder, Fault> {
    mkdirat(AT_FDCWD, path, Mode::S_IRWXU).map_err(|error| {
        Fault::new(Exit::CannotCreate, format!("cannot make '{}': {error}", path.display()))
    })?;
    Folder::open(path)
}

fn fill(listing: &Listing<'_>, into: &Folder, limits: &Limits) -> Result<(), Fault> {
    let space = fstatvfs(into).map_err(|e| Fault::io(format!("cannot ask for free space: {e}")))?;
    let free = space.blocks_available().saturating_mul(space.fragment_size());
    let mut left = limits.unpacked.min(free.saturating_sub(limits.free));
    if left == 0 {
        return Err(Fault::io(format!(
            "no space on the file system of '{}': {free} bytes free",
            into.path().display()
        )));
    }
    let mut folders = Folders::below(into);
    for index in listing.entries() {
        if resident::must_end() {
            return Err(broken_off());
        }
        let record = listing.record(index)?;
        let path = record.name();
        let named = |fault: Fault| fault.of(format_args!("entry '{}'", shown(&path)));
        let parts = names::parts(&path)?;
        let Some((name, above)) = parts.split_last() else { continue };
        if record.is_folder() {
            folders.enter(&parts).map_err(|e| named(of_disk(e)))?;
            continue;
        }
        let folder = folders.enter(above).map_err(|e| named(of_disk(e)))?;
        let content = listing.open(index).map_err(named)?;
        let written = write(content, folder, name, left.min(limits.file)).map_err(named)?;
        left = left.saturating_sub(written);
    }
    // One for all: a power cut must not leave a folder of empty files that counts as unpacked.
    nix::unistd::syncfs(into).map_err(|e| Fault::io(format!("cannot write '{}': {e}", into.path().display())))
}

/// The folders down to where the last entry is: the next one is mostly near.
struct Folders<'a> {
    root: &'a Folder,
    open: Vec<(String, Folder)>,
}

impl<'a> Folders<'a> {
    fn below(root: &'a Folder) -> Self {
        Self { root, open: Vec::new() }
    }

    /// Opens a folder, part by part, and makes what is missing.
    fn enter(&mut self, parts: &[&str]) -> nix::Result<&Folder> {
        let common = self.open.iter().zip(parts).take_while(|((open, _), part)| open == *part).count();
        self.open.truncate(common);
        for part in parts.iter().skip(common) {
            let above = self.open.last().map_or(self.root, |(_, folder)| folder);
            let below = enter(above, part)?;
            self.open.push(((*part).to_owned(), below));
        }
        Ok(self.open.last().map_or(self.root, |(_, folder)| folder))
    }
}

fn enter(folder: &Folder, name: &str) -> nix::Result<Folder> {
    let below = folder.enter_or_make(name, 0o755)?;
    fchmod(&below, Mode::from_bits_truncate(0o755))?;
    Ok(below)
}

fn of_disk(error: impl std::fmt::Display) -> Fault {
    Fault::io(error.to_string())
}

/// Inflates one file: the header's size isn't believed.
fn write(content: Content<'_>, folder: &Folder, name: &str, most: u64) -> Result<u64, Fault> {
    let mut file = folder.create(name, 0o744).map_err(of_disk)?;
    fchmod(&file, Mode::from_bits_truncate(0o744)).map_err(of_disk)?;
    let mut content = content.take(most.saturating_add(1));
    let mut buffer = vec![0; 32 << 10];
    let mut written = 0_u64;
    loop {
        let read = match content.read(&mut buffer) {
            Ok(0) => return Ok(written),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::data(shown(&error.to_string()))),
        };
        written = written.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if written > most {
            return Err(Fault::data(format!("over the {most} bytes that are allowed or free")));
        }
        if resident::must_end() {
            return Err(broken_off());
        }
        file.write_all(buffer.get(..read).unwrap_or_default()).map_err(of_disk)?;
    }
}

/// Puts the manifest that is least deep into the folder itself, without a byte order mark.
fn place_manifest(listing: &Listing<'_>, folder: &Folder) -> Result<(), ExtensionError> {
    let index = least_deep(listing).ok_or_else(|| no_manifest("not found in the package"))?;
    let content = listing.open(index).map_err(|fault| no_manifest(&fault.text))?;
    let mut bytes = Vec::new();
    content
        .take(manifest::MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| no_manifest(&shown(&error.to_string())))?;
    let bytes = bounded(bytes)?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    replace(folder, manifest::FILE, bytes, 0o644, true).map_err(|fault| no_manifest(&fault.text))
}

fn least_deep(listing: &Listing<'_>) -> Option<usize> {
    let deep = |index: &usize| {
        let record = listing.record(*index).ok().filter(|record| !record.is_folder())?;
        let name = record.name();
        let parts: Vec<&str> = names::split(&name).collect();
        (parts.last() == Some(&manifest::FILE)).then_some(parts.len())
    };
    // Of several the first in the order of paths.
    listing
        .entries()
        .filter_map(|index| Some((deep(&index)?, index)))
        .min_by_key(|(deep, _)| *deep)
        .map(|(_, index)| index)
}

fn no_manifest(why: &str) -> ExtensionError {
    let text = format!("Failed to download artifacts: [ExtensionDownloadError] {} {why}", manifest::FILE);
    ExtensionError::new(code::MANIFEST_MISSING, "Download", text)
}

fn bounded(bytes: Vec<u8>) -> Result<Vec<u8>, ExtensionError> {
    if bytes.len() > usize::try_from(manifest::MAX).unwrap_or(usize::MAX) {
        let text = format!("{}: over 1 MiB", manifest::FILE);
        return Err(ExtensionError::new(code::MANIFEST_INVALID, "Download", text));
    }
    Ok(bytes)
}

/// The new folder gets the handler's name, in one step; what was there goes.
fn take_place(home: &HandlerPaths, folder: &Folder, staging: &Path, keep: bool) -> Result<(), Fault> {
    let failed = |error: Errno| {
        Fault::new(Exit::CannotCreate, format!("cannot put '{}' in place: {error}", home.base().display()))
    };
    if keep && let Ok(old) = home.open() {
        carry_over::over(&old, folder)?;
    }
    match renameat2(AT_FDCWD, staging, AT_FDCWD, home.base(), RenameFlags::RENAME_NOREPLACE) {
        Err(Errno::EEXIST) => {
            renameat2(AT_FDCWD, staging, AT_FDCWD, home.base(), RenameFlags::RENAME_EXCHANGE)
                .map_err(failed)?;
            remove::tree(staging);
        }
        renamed => renamed.map_err(failed)?,
    }
    waagent_common::durable::sync_folder(home.base()).map_err(|error| {
        Fault::io(format!("cannot write the folder of '{}': {error}", home.base().display()))
    })
}
