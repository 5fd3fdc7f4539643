//! `ovf-env.xml`: the copy that waagent-media left, or our own scrubbed one of an earlier pass.

use std::time::{Duration, Instant};

use anyhow::Result;
use waagent_common::digest::sha256;
use waagent_common::documents::{
    Document, LOOK_AGAIN, MEDIA_FLAG, Media, MediaState, ProvisionJournal, REQUEST, StepError,
};
use waagent_common::durable;
use waagent_common::fault::Exit;
use waagent_common::root::Root;
use waagent_common::secret::Secret;
use waagent_common::text::shown;
use waagent_common::time;

use crate::ovf;
use crate::reason::{self, Reason};

/// The file's bytes, and where they are from.
#[derive(Debug)]
pub(crate) struct Input {
    /// May hold the password.
    pub(crate) bytes: Secret<Vec<u8>>,
    /// The scrubbed copy: the password is gone.
    pub(crate) is_saved_copy: bool,
}

/// Finds the file. A pass that was begun goes on without the medium, which a reboot may have taken away.
pub(crate) fn find(
    root: &Root,
    media: Option<&Document<Media>>,
    journal: Option<&ProvisionJournal>,
) -> Result<Result<Input, StepError>> {
    if let Some(media) = media.filter(|media| media.body.state == MediaState::Read) {
        return Ok(copy_of(root, &media.body));
    }
    let saved = root.state_path(SAVED);
    // A copy that no pass of ours has begun with is another agent's, or another VM's.
    if journal.is_some_and(|journal| !journal.ovf_sha256.is_empty()) {
        match durable::read_bounded(&saved, ovf::MAX_BYTES) {
            Ok(bytes) => return Ok(Ok(Input { bytes: Secret::new(bytes), is_saved_copy: true })),
            Err(fault) if fault.exit == Exit::NoInput => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    let why = media.and_then(|media| media.body.reason.clone());
    let why = why.unwrap_or_else(|| "waagent-media has found none".to_owned());
    let text = format!("no ovf-env.xml: {}; attach the provisioning DVD and restart the VM", shown(&why));
    Ok(Err(reason::error("media", Reason::NoMedia, text)))
}

/// Might a drive hold what isn't in place? After a release, and where nobody has looked in this boot; `force`: whenever
/// there is no copy.
pub(crate) fn is_worth_a_look(media: Option<&Document<Media>>, force: bool) -> bool {
    match media.map(|media| media.body.state) {
        Some(MediaState::Read) => false,
        None | Some(MediaState::Released) => true,
        Some(MediaState::Absent | MediaState::LeftToCloudInit) => force,
    }
}

/// Has waagent-media look at the drive again, and waits for its answer. None comes where nobody starts it.
pub(crate) fn look_again(root: &Root) -> Result<()> {
    let word = format!("{LOOK_AGAIN}{}\n", time::now_micros());
    let request = sha256(word.as_bytes());
    let deadline = Instant::now() + ANSWER;
    let mut asked = None;
    while Instant::now() < deadline {
        // Anew, since PID 1 hears nothing of it while it reads its units.
        if asked.is_none_or(|asked: Instant| asked.elapsed() >= ASK_AGAIN) {
            durable::write(&root.runtime_path(MEDIA_FLAG), word.as_bytes(), 0o644)?;
            asked = Some(Instant::now());
        }
        // Until it is replaced, a damaged document is no answer.
        let media = Document::<Media>::read_if_there(root).ok().flatten();
        if media.is_some_and(|media| media.inputs.get(REQUEST) == Some(&request)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Complete, and what its document was written for.
fn copy_of(root: &Root, media: &Media) -> Result<Input, StepError> {
    let path = root.runtime_path("media/ovf-env.xml");
    let refuse = |why: String| reason::error("media", Reason::MediaUnreadable, why);
    let bytes = durable::read_bounded(&path, ovf::MAX_BYTES).map_err(|fault| refuse(fault.text))?;
    let is_whole = media.sha256.as_ref().is_some_and(|digest| digest.as_str() == sha256(&bytes));
    if !is_whole {
        let text =
            format!("'{}' isn't what media.json says; run 'systemctl start waagent-media'", path.display());
        return Err(refuse(text));
    }
    Ok(Input { bytes: Secret::new(bytes), is_saved_copy: false })
}

/// Keeps the scrubbed copy, for deprovisioning, support tools and later passes.
pub(crate) fn save(root: &Root, text: &str) -> Result<Option<String>> {
    let Some(clean) = ovf::redact(text) else {
        return Ok(Some("ovf-env.xml couldn't be scrubbed, using no copy of it".to_owned()));
    };
    let path = root.state_path(SAVED);
    if durable::read_bounded(&path, ovf::MAX_BYTES).is_ok_and(|old| old == clean.as_bytes()) {
        return Ok(None);
    }
    durable::write(&path, clean.as_bytes(), 0o600)?;
    Ok(None)
}

/// Asks PID 1 to let waagent-media unlink the copy and eject the medium; only while there is a copy.
pub(crate) fn release(root: &Root) -> Result<()> {
    if root.runtime_path("media/ovf-env.xml").exists() {
        durable::write(&root.runtime_path(MEDIA_FLAG), b"provisioning is finished\n", 0o644)?;
    }
    Ok(())
}

/// How long waagent-media may take: PID 1 starts it, and an empty drive answers at once.
const ANSWER: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_secs(5);
const SAVED: &str = "ovf-env.xml";
