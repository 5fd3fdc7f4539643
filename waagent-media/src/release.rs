//! After provisioning: the copies go, the tray opens.

use std::fs::OpenOptions;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use waagent_common::digest::sha256;
use waagent_common::documents::{
    Document, LOOK_AGAIN, MEDIA_FLAG, Media, MediaState, ProvisionState, ProvisionStatus, REQUEST,
};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::instance::InstanceId;
use waagent_common::log;
use waagent_common::marker::Marker;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::sys::cdrom;

use super::args::Named;
use super::find::{CUSTOM_DATA, OVF};
use super::publish;

/// What provisioning wishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseRequest {
    /// Nothing.
    None,
    /// It has finished, and the copy is still there.
    Release,
    /// Another look at the drive.
    Look {
        /// Digest of the request, by which the document answers it.
        request: String,
        /// The document there is answers another one, or none.
        is_open: bool,
    },
}

/// Longest word of provisioning, in bytes.
const MAX_WISH: u64 = 256;

/// Reads provisioning's word, if there is one.
pub fn word(root: &Root) -> Result<Option<Vec<u8>>, Fault> {
    match durable::read_bounded(&root.runtime_path(MEDIA_FLAG), MAX_WISH) {
        Ok(word) => Ok(Some(word)),
        Err(fault) if fault.exit == Exit::NoInput => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// What that word means now.
pub fn request_of(root: &Root, word: Option<&[u8]>) -> ReleaseRequest {
    let Some(word) = word else { return ReleaseRequest::None };
    if !word.starts_with(LOOK_AGAIN.as_bytes()) {
        return ReleaseRequest::Release;
    }
    let request = sha256(word);
    // A damaged document answers nothing.
    let media = Document::<Media>::read_if_there(root).ok().flatten();
    let is_open = media.is_none_or(|media| media.inputs.get(REQUEST) != Some(&request));
    ReleaseRequest::Look { request, is_open }
}

/// Has provisioning recorded durably that it has succeeded, and is that still so? Not the flag but the record counts:
/// a medium that is ejected before can't be read again after a crash.
pub fn is_due(root: &Root) -> Result<bool, Fault> {
    if Marker::read(root, &InstanceId::of_this_machine()) == Marker::Absent {
        return Ok(false);
    }
    let status = Document::<ProvisionStatus>::read_if_there(root)?;
    Ok(status.is_some_and(|status| status.body.state == ProvisionState::Ready))
}

/// Removes the copies, opens the tray, says so.
pub fn release(root: &Root, named: Option<&Named>, sandbox: &Sandbox) -> Result<Outcome, Fault> {
    let media = Document::<Media>::read_if_there(root).ok().flatten();
    let folder = root.runtime_path("media");
    let had_ovf = durable::remove(&folder.join(OVF))?;
    let had_data = durable::remove(&folder.join(CUSTOM_DATA))?;
    let state = media.as_ref().map(|media| media.body.state);
    if !had_ovf && !had_data && state == Some(MediaState::Released) {
        return Ok(Outcome::Unchanged("the medium is released".to_owned()));
    }
    let device = media.and_then(|media| media.body.device);
    let ejected = match (named, &device) {
        (Some(named), _) => eject(&named.path, named.file.as_fd()),
        (None, Some(device)) => open_and_eject(Path::new(device)),
        (None, None) => Ejected::No("no medium was read".to_owned()),
    };
    publish::released(root, sandbox)?;
    Ok(Outcome::Done(format!("removed the copy of {OVF}; {}", ejected.text())))
}

enum Ejected {
    Yes(String),
    No(String),
}

impl Ejected {
    fn text(&self) -> String {
        match self {
            Self::Yes(device) => format!("ejected '{device}'"),
            Self::No(why) => why.clone(),
        }
    }
}

/// Opened so that it also works with an empty drive.
fn open_and_eject(device: &Path) -> Ejected {
    let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    match OpenOptions::new().read(true).custom_flags(flags.bits()).open(device) {
        Ok(file) => eject(device, file.as_fd()),
        Err(error) => not_ejected(device, &error),
    }
}

/// Only a drive has a tray; whatever goes wrong with it is a note, since provisioning has succeeded.
fn eject(device: &Path, file: std::os::fd::BorrowedFd<'_>) -> Ejected {
    match cdrom::eject(file) {
        Ok(()) => Ejected::Yes(device.display().to_string()),
        Err(error)
            if matches!(
                Errno::from_raw(error.raw_os_error().unwrap_or(0)),
                Errno::ENOTTY | Errno::EINVAL | Errno::ENOTSUP
            ) =>
        {
            Ejected::No(format!("'{}' has no tray", device.display()))
        }
        Err(error) => not_ejected(device, &error),
    }
}

fn not_ejected(device: &Path, error: &std::io::Error) -> Ejected {
    log::warning(&format!("cannot eject '{}': {error}, ignoring", device.display()));
    Ejected::No("the medium stays in its drive".to_owned())
}
