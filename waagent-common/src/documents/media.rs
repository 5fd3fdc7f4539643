//! The provisioning medium's content, and the word by which its release is asked for.

use serde::{Deserialize, Serialize};

use super::{Body, Bounds};
use crate::types::Sha256;
use crate::words;

/// What was found on the provisioning medium; `ovf-env.xml` itself lies beside it.
///
/// Written by waagent-media; read by waagent-provision. Secrets: none (the XML beside it holds the password).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// Was it read?
    pub state: MediaState,
    /// Why, where it wasn't.
    pub reason: Option<String>,
    /// Device node that it was read from.
    pub device: Option<String>,
    /// `udf` or `iso9660`.
    pub file_system: Option<String>,
    /// Volume label.
    pub label: Option<String>,
    /// Size of `ovf-env.xml`, in bytes.
    pub size: Option<u64>,
    /// Digest of `ovf-env.xml`.
    pub sha256: Option<Sha256>,
    /// Other files that were copied beside it.
    pub files: Vec<MediaFile>,
    /// A System Center Virtual Machine Manager medium is there.
    pub scvmm: bool,
}

/// A file that was copied from the medium.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaFile {
    /// Its name on the medium and below `/run/waagent/media`.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest.
    pub sha256: Sha256,
}

/// Provisioning's word to waagent-media, below `/run/waagent`: PID 1 starts it when the file changes.
pub const MEDIA_FLAG: &str = "provision/release";
/// How that file begins where it asks for another look at the drive, and not for the medium's release. What follows
/// tells one request from another.
pub const LOOK_AGAIN: &str = "look again: ";
/// The input of the document that says which request it answers.
pub const REQUEST: &str = "request";

words! {
    /// State of the medium.
    pub enum MediaState {
        /// `ovf-env.xml` is in place.
        Read = "read",
        /// No medium, or none that holds one.
        Absent = "absent",
        /// cloud-init provisions this machine and reads the medium itself.
        LeftToCloudInit = "left-to-cloud-init",
        /// Provisioning is finished: the copy is gone, the medium ejected.
        Released = "released",
    }
}

impl Body for Media {
    const NAME: &'static str = "media";
    const PATH: &'static str = "/run/waagent/media/media.json";
    const PROGRAM: &'static str = "waagent-media";
    const WRITER: &'static str = "waagent-media";

    fn bounds(&mut self, bounds: &mut Bounds) {
        bounds.texts("reason", &mut self.reason, 1024);
        bounds.texts("device", &mut self.device, 256);
        bounds.texts("file_system", &mut self.file_system, 32);
        bounds.texts("label", &mut self.label, 256);
        bounds.list("files", &mut self.files, 16);
        for file in &mut self.files {
            bounds.text("files[].name", &mut file.name, 256);
        }
    }
}
