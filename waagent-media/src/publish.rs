//! The copies for waagent-provision, and the document about them.

use waagent_common::digest::sha256;
use waagent_common::documents::{Document, Inputs, Media, MediaFile, MediaState, Written, write};
use waagent_common::durable;
use waagent_common::fault::{Exit, Fault, Outcome};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::{cut, shown};
use waagent_common::types::Sha256;

use super::find::{CUSTOM_DATA, Found, Missing, OVF};

/// Asks PID 1 to mount a medium that isn't read here.
const MOUNT_FLAG: &str = "media/mount";
/// Longest flag, in bytes.
const MAX_FLAG: u64 = 16 << 10;
const MOST_MOUNTS: usize = 3;
/// Readable by the group, which is waagent-provision.
const MODE: u32 = 0o640;

/// Writes the copies, then the document that vouches for them.
pub fn found(root: &Root, found: &Found, inputs: &Inputs, sandbox: &Sandbox) -> Result<Outcome, Fault> {
    let folder = root.runtime_path("media");
    let mut files = Vec::new();
    if let Some(data) = &found.custom_data {
        durable::write(&folder.join(CUSTOM_DATA), data.expose(), MODE)?;
        let (size, sha256) = describe(data.expose())?;
        files.push(MediaFile { name: CUSTOM_DATA.to_owned(), size, sha256 });
    }
    durable::write(&folder.join(OVF), found.ovf.expose(), MODE)?;
    let (size, sha256) = describe(found.ovf.expose())?;
    let media = Media {
        state: MediaState::Read,
        device: Some(found.device.display().to_string()),
        file_system: Some(found.file_system.clone()),
        label: Some(found.label.clone()),
        size: Some(size),
        sha256: Some(sha256),
        files,
        scvmm: found.scvmm,
        ..nothing(MediaState::Read, None)
    };
    write(root, &media, inputs, sandbox)?;
    durable::remove(&root.runtime_path(MOUNT_FLAG))?;
    let device = found.device.display();
    Ok(Outcome::Done(format!("read {OVF} ({size} bytes) from '{device}' ({})", found.file_system)))
}

/// Says in the document why there is no copy. A missing medium is no failure; one that makes no sense is.
pub fn missing(root: &Root, why: Missing, inputs: &Inputs, sandbox: &Sandbox) -> Result<Outcome, Fault> {
    if let Missing::Fat(why) = &why {
        ask_for_mount(root, why)?;
    }
    let (reason, refused) = match why {
        Missing::Nothing(why) | Missing::Unsettled(why) | Missing::Silent(why) | Missing::Fat(why) => {
            (why, None)
        }
        Missing::Refused(fault) => (fault.text.clone(), Some(fault)),
    };
    let said = absent(root, &reason, inputs, sandbox)?;
    refused.map_or(Ok(said), Err)
}

/// A mount that fails starts this program again, which finds the same medium: PID 1 is asked three times, then not until
/// something else starts this program.
fn ask_for_mount(root: &Root, why: &str) -> Result<(), Fault> {
    let flag = root.runtime_path(MOUNT_FLAG);
    let asked = durable::read_bounded(&flag, MAX_FLAG)
        .unwrap_or_default()
        .split_inclusive(|byte| *byte == b'\n')
        .count();
    if asked >= MOST_MOUNTS {
        durable::remove(&flag)?;
        return Ok(());
    }
    durable::write(&flag, format!("{}\n", shown(why)).repeat(asked + 1).as_bytes(), 0o644)
}

/// No medium, for this reason.
pub fn absent(root: &Root, reason: &str, inputs: &Inputs, sandbox: &Sandbox) -> Result<Outcome, Fault> {
    leave(
        root,
        &nothing(MediaState::Absent, Some(reason)),
        inputs,
        sandbox,
        &format!("no provisioning medium: {reason}"),
    )
}

/// cloud-init reads the medium.
pub fn left_to_cloud_init(root: &Root, inputs: &Inputs, sandbox: &Sandbox) -> Result<Outcome, Fault> {
    let media = nothing(MediaState::LeftToCloudInit, Some("cloud-init provisions this machine"));
    leave(root, &media, inputs, sandbox, "left the medium to cloud-init")
}

/// Without a copy, a document that speaks of one would lie: the document goes first.
fn leave(
    root: &Root,
    media: &Media,
    inputs: &Inputs,
    sandbox: &Sandbox,
    said: &str,
) -> Result<Outcome, Fault> {
    match write(root, media, inputs, sandbox)? {
        Written::Changed => Ok(Outcome::Done(said.to_owned())),
        Written::Unchanged => Ok(Outcome::Unchanged(said.to_owned())),
    }
}

/// The document after the copies are gone; what was read stays on record.
pub(crate) fn released(root: &Root, sandbox: &Sandbox) -> Result<(), Fault> {
    let before = match Document::<Media>::read_if_there(root) {
        Ok(before) => before,
        Err(fault) if fault.exit == Exit::Data => None,
        Err(fault) => return Err(fault),
    };
    let (mut media, inputs) = before.map_or_else(
        || (nothing(MediaState::Released, None), Inputs::new()),
        |before| {
            let inputs = before.inputs.iter().fold(Inputs::new(), |all, (name, sum)| all.digest(name, sum));
            (before.body, inputs)
        },
    );
    media.state = MediaState::Released;
    media.reason = None;
    write(root, &media, &inputs, sandbox).map(|_| ())
}

fn nothing(state: MediaState, reason: Option<&str>) -> Media {
    Media {
        state,
        reason: reason.map(|reason| cut(reason, 1024).to_owned()),
        device: None,
        file_system: None,
        label: None,
        size: None,
        sha256: None,
        files: Vec::new(),
        scvmm: false,
    }
}

fn describe(bytes: &[u8]) -> Result<(u64, Sha256), Fault> {
    let sum = Sha256::try_from(sha256(bytes)).map_err(|_| Fault::new(Exit::Software, "no digest"))?;
    Ok((u64::try_from(bytes.len()).unwrap_or(u64::MAX), sum))
}
