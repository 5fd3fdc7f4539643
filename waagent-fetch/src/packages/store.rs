//! The folder `fetch/packages`: a zip and a document for each package that is wanted, and nothing else.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;
use waagent_common::digest::sha256;
use waagent_common::documents::{self, Body, Document, Inputs, Package, PackageState, WantedPackage};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::http::StorageUri;

/// The folder of the packages.
#[derive(Debug, Clone)]
pub(crate) struct PackageStore {
    root: Root,
    folder: PathBuf,
}

impl PackageStore {
    /// At its place.
    pub(crate) fn new(root: &Root) -> Self {
        Self { root: root.clone(), folder: root.path(Package::PATH) }
    }

    /// Removes what isn't wanted any more, and what a killed run left behind.
    pub(crate) fn sweep(&self, wanted: &[WantedPackage]) -> Result<(), Fault> {
        let kept: BTreeSet<String> = wanted
            .iter()
            .map(|package| Package::stem(&package.name, &package.version))
            .flat_map(|stem| [format!("{stem}.json"), format!("{stem}.zip")])
            .collect();
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(|error| failed("list", &self.folder, &error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| failed("list", &self.folder, &error))?.path();
            let is_kept = path.file_name().and_then(OsStr::to_str).is_some_and(|name| kept.contains(name));
            if !is_kept {
                fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
            }
        }
        Ok(())
    }

    /// Is this attempt answered? That a package can't be had is an answer for one goal state only.
    pub(crate) fn has_answer(&self, package: &WantedPackage, goal_state_id: &str) -> bool {
        // A document that can't be read is written anew.
        let Ok(Some(answer)) = Document::<Package>::read_at_if_there(&self.root, &self.path(package, "json"))
        else {
            return false;
        };
        if answer.body.attempt != package.attempt {
            return false;
        }
        if answer.body.state != PackageState::Ready {
            return answer.inputs.get("goal-state-id") == Some(&sha256(goal_state_id.as_bytes()));
        }
        fs::symlink_metadata(self.path(package, "zip"))
            .is_ok_and(|zip| zip.is_file() && Some(zip.len()) == answer.body.size)
    }

    /// Where a download goes until it is known to be good.
    pub(crate) fn part(&self, uri: &StorageUri) -> PathBuf {
        self.folder.join(format!("{}.part", sha256(uri.expose().as_bytes())))
    }

    /// Gives a good download its name. Its document, written next, makes the name durable too.
    pub(crate) fn place(&self, part: &Path, package: &WantedPackage) -> Result<(), Fault> {
        let zip = self.path(package, "zip");
        fs::rename(part, &zip).map_err(|error| failed("rename the download to", &zip, &error))
    }

    /// Writes a package's document; one that isn't ready has no zip.
    pub(crate) fn write(&self, body: &Package, inputs: &Inputs, sandbox: &Sandbox) -> Result<(), Fault> {
        let stem = self.folder.join(Package::stem(&body.name, &body.version));
        if body.state != PackageState::Ready {
            durable::remove(&with_suffix(&stem, "zip"))?;
        }
        documents::write_at(&self.root, &with_suffix(&stem, "json"), body, inputs, sandbox).map(|_| ())
    }

    /// How much may be written so that 64 MiB stay free, in bytes.
    pub(crate) fn room(&self) -> Result<u64, Fault> {
        let stat = statvfs(&self.folder).map_err(|error| failed("look at", &self.folder, &error.into()))?;
        let free = stat.blocks_available().saturating_mul(stat.fragment_size());
        Ok(free.saturating_sub(KEPT_FREE))
    }

    fn path(&self, package: &WantedPackage, suffix: &str) -> PathBuf {
        with_suffix(&self.folder.join(Package::stem(&package.name, &package.version)), suffix)
    }
}

fn failed(act: &str, path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(Exit::CannotCreate, format!("cannot {act} '{}': {error}", path.display()))
}

/// `Path::with_extension` would cut a version's last number.
fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

/// What stays free of the file system, in bytes.
const KEPT_FREE: u64 = 64 << 20;
