//! Where one version of a handler lives.

use std::path::{Path, PathBuf};

use waagent_common::documents::{Foreign, ForeignKind};
use waagent_common::fault::Fault;
use waagent_common::folder::Folder;
use waagent_common::root::Root;
use waagent_common::types::{HandlerName, HandlerVersion};

/// The folders of one version of a handler.
#[derive(Debug, Clone)]
pub struct HandlerPaths {
    /// Handler.
    pub name: HandlerName,
    /// Version.
    pub version: HandlerVersion,
    base: PathBuf,
    logs: PathBuf,
}

impl HandlerPaths {
    /// The home of this version; `logs` is `Extension.LogDir`.
    pub fn new(root: &Root, logs: &str, name: &HandlerName, version: &HandlerVersion) -> Self {
        Self {
            name: name.clone(),
            version: version.clone(),
            base: root.state_path(format!("{name}-{version}")),
            logs: root.path(logs).join(name.as_str()),
        }
    }

    /// `<name>-<version>`.
    pub fn full_name(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Names bytes of this handler. `stamp` tells them from others of the same kind.
    pub fn bytes(&self, kind: ForeignKind, stamp: String) -> Foreign {
        Foreign { kind, of: self.full_name(), stamp }
    }

    /// The handler's folder: what its commands run in.
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The folder of its logs, the same for all versions.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The handler's folder, opened.
    pub fn open(&self) -> Result<Folder, Fault> {
        Folder::open(&self.base)
    }

    /// Its status folder, if it is there.
    pub fn status(&self) -> Option<Folder> {
        self.open().ok()?.enter("status").ok()
    }
}
