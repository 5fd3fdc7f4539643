//! One attempt: a manifest into memory, or a package into a file that turns out to be a whole zip.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc::O_NOFOLLOW;
use waagent_common::digest;
use waagent_common::types::Sha256;

use super::channels::{Channel, DownloadFailure};
use super::manifest::MAX_BYTES;
use super::store::PackageStore;
use super::{archive, channels::Cure};
use crate::http::{HttpError, Request, STORAGE_TIME, StorageUri};
use crate::plugin::Plugin;
use crate::storage::Storage;

/// Gets a manifest: the bytes of a success.
pub(crate) fn manifest(
    storage: &Storage,
    plugin: &mut Plugin<'_>,
    uri: &StorageUri,
    channel: Channel,
) -> Result<Vec<u8>, DownloadFailure> {
    let request = Request::get().limit(MAX_BYTES).timeout(STORAGE_TIME);
    let response = match channel {
        Channel::Direct => storage.ask(uri, &request),
        Channel::HostGaPlugin => plugin.artifact(uri, request),
    }
    .map_err(|error| DownloadFailure::of_error(uri, channel, &error))?;
    if response.is_success() {
        Ok(response.body)
    } else {
        Err(DownloadFailure::of_answer(uri, channel, &response))
    }
}

/// What all attempts at one package share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Download<'a> {
    /// Where to.
    pub(crate) store: &'a PackageStore,
    /// Largest package, in bytes.
    pub(crate) max: u64,
    /// The manifest that names it: the host wants to know.
    pub(crate) manifest: &'a StorageUri,
}

/// A package that was got whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Downloaded {
    /// The file, durably written.
    pub(crate) part: PathBuf,
    /// Bytes.
    pub(crate) size: u64,
    /// Digest of them.
    pub(crate) sha256: Sha256,
}

impl Download<'_> {
    /// One attempt. A failed one leaves no file.
    pub(crate) fn run(
        &self,
        storage: &Storage,
        plugin: &mut Plugin<'_>,
        uri: &StorageUri,
        channel: Channel,
    ) -> Result<Downloaded, DownloadFailure> {
        let part = self.store.part(uri);
        let got = self.into(&part, storage, plugin, uri, channel);
        if got.is_err() {
            // What can't be removed is swept by the next run; the first error is the one to tell.
            let _left_over = fs::remove_file(&part);
        }
        got
    }

    fn into(
        &self,
        part: &Path,
        storage: &Storage,
        plugin: &mut Plugin<'_>,
        uri: &StorageUri,
        channel: Channel,
    ) -> Result<Downloaded, DownloadFailure> {
        let ours = |why: String| DownloadFailure { text: why, cure: Cure::None };
        let room = self.store.room().map_err(|fault| ours(fault.text))?;
        let limit = self.max.min(room);
        let mut file = create(part).map_err(|e| ours(format!("cannot create '{}': {e}", part.display())))?;
        let request = Request::get().limit(limit).timeout(TIME);
        let stored = match channel {
            Channel::Direct => storage.download(uri, &request, &mut file),
            Channel::HostGaPlugin => plugin.download(uri, self.manifest, request, &mut file),
        }
        .map_err(|error| {
            self.too_big(room, &error).unwrap_or_else(|| DownloadFailure::of_error(uri, channel, &error))
        })?;
        if !stored.response.is_success() {
            return Err(DownloadFailure::of_answer(uri, channel, &stored.response));
        }
        archive::check(&file, stored.size).map_err(|why| DownloadFailure::lasting(uri, channel, why))?;
        // Of what is in the file now, and not of what was meant to be written.
        let sha256 = digest::of_file(&mut file)
            .and_then(|sha256| file.sync_all().map(|()| sha256))
            .and_then(|sha256| Sha256::try_from(sha256).map_err(io::Error::other))
            .map_err(|error| ours(format!("cannot write '{}': {error}", part.display())))?;
        Ok(Downloaded { part: part.to_owned(), size: stored.size, sha256 })
    }

    /// Says which of the two limits it was.
    fn too_big(&self, room: u64, error: &HttpError) -> Option<DownloadFailure> {
        let HttpError::TooBig(_) = error else { return None };
        let text = if room < self.max {
            format!(
                "the disk has room for {} MiB besides the 64 that stay free; the package is larger",
                room >> 20
            )
        } else {
            format!("the package is larger than {} MiB; see Extensions.MaxPackageMB", self.max >> 20)
        };
        Some(DownloadFailure { text, cure: Cure::None })
    }
}

/// For waagent-ext to read, by the folder's group, whatever the umask says.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .custom_flags(O_NOFOLLOW)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o640))?;
    Ok(file)
}

/// One package from one place.
const TIME: Duration = Duration::from_secs(300);
