//! Is there anything to read?

use waagent_common::cloud_init::CloudInit;
use waagent_common::config::{ChosenAgent, Config};
use waagent_common::digest::sha256;
use waagent_common::documents::{Document, Media, MediaState};
use waagent_common::durable::read_bounded;
use waagent_common::fault::{Exit, Fault};
use waagent_common::instance::InstanceId;
use waagent_common::marker::Marker;
use waagent_common::root::Root;

use super::find::{MAX_OVF, OVF};

/// Is there anything to read?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaDecision {
    /// No, for this reason.
    Nothing(String),
    /// Somebody else reads it.
    CloudInit,
    /// Nobody is to provision.
    Disabled,
    /// Yes.
    Wanted {
        /// Wait for a device that is late: on the first boot only.
        wait: bool,
    },
}

/// Looks at who provisions, at the marker, and at what an earlier run of this boot left. `again`: provisioning asks for
/// another look, whatever was before.
pub fn decide(root: &Root, config: &Config, again: bool) -> Result<MediaDecision, Fault> {
    let marker = Marker::read(root, &InstanceId::of_this_machine());
    if matches!(marker, Marker::Same | Marker::Empty) && !again {
        return Ok(MediaDecision::Nothing("this machine is provisioned".to_owned()));
    }
    match config.chosen_agent() {
        ChosenAgent::Disabled => return Ok(MediaDecision::Disabled),
        ChosenAgent::CloudInit => return Ok(MediaDecision::CloudInit),
        ChosenAgent::Auto if CloudInit::on(root) == CloudInit::Enabled => {
            return Ok(MediaDecision::CloudInit);
        }
        ChosenAgent::Auto | ChosenAgent::Waagent => {}
    }
    let is_first_boot = marker == Marker::Absent;
    Ok(match earlier(root, is_first_boot)? {
        // Who asks for another look waits for the answer.
        _ if again => MediaDecision::Wanted { wait: false },
        Some(why) => MediaDecision::Nothing(why.to_owned()),
        None => MediaDecision::Wanted { wait: is_first_boot },
    })
}

/// What an earlier run of this boot left, if that is enough. A medium that was released for a machine that isn't
/// provisioned any more is wanted again.
fn earlier(root: &Root, is_first_boot: bool) -> Result<Option<&'static str>, Fault> {
    match Document::<Media>::read_if_there(root) {
        Ok(Some(media)) if media.body.state == MediaState::Released && !is_first_boot => {
            Ok(Some("the medium was read and released in this boot"))
        }
        Ok(Some(media)) if is_complete(root, &media.body) => {
            Ok(Some("the medium was read in this boot, its copy is in place"))
        }
        // A damaged document of our own is replaced.
        Ok(_) => Ok(None),
        Err(fault) if fault.exit == Exit::Data => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Is the copy what the document says? A run that was killed leaves one of them behind.
fn is_complete(root: &Root, media: &Media) -> bool {
    let copy = root.runtime_path("media").join(OVF);
    media.state == MediaState::Read
        && read_bounded(&copy, MAX_OVF)
            .is_ok_and(|bytes| media.sha256.as_ref().is_some_and(|sum| sum.as_str() == sha256(&bytes)))
}
