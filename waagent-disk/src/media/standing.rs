//! Is there anything to read?

use waagent_common::cloud_init::CloudInit;
use waagent_common::config::{Config, TextKey};
use waagent_common::documents::{Document, Media, MediaState, sha256};
use waagent_common::durable::read_bounded;
use waagent_common::fault::{Exit, Fault};
use waagent_common::instance::InstanceId;
use waagent_common::place::Place;

use super::keep::{MAX_OVF, OVF};

/// Largest marker, in bytes: a UUID, and room.
const MAX_MARKER: u64 = 4096;

/// Is there anything to read?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
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

/// Looks at who provisions, at the marker, and at what an earlier run of this boot left.
pub fn standing(place: &Place, config: &Config) -> Result<Standing, Fault> {
    let marker = marker(place);
    if marker == Marker::Ours {
        return Ok(Standing::Nothing("this machine is provisioned".to_owned()));
    }
    match config.text(TextKey::ProvisioningAgent) {
        "disabled" => return Ok(Standing::Disabled),
        "cloud-init" => return Ok(Standing::CloudInit),
        "auto" if CloudInit::on(place) == CloudInit::Enabled => return Ok(Standing::CloudInit),
        _ => {}
    }
    match Document::<Media>::read_if_there(place) {
        Ok(Some(media)) if media.body.state == MediaState::Released => {
            return Ok(Standing::Nothing("the medium was read and released in this boot".to_owned()));
        }
        Ok(Some(media)) if is_complete(place, &media.body) => {
            return Ok(Standing::Nothing(
                "the medium was read in this boot, its copy is in place".to_owned(),
            ));
        }
        // A damaged document of our own is replaced.
        Ok(_) => {}
        Err(fault) if fault.exit == Exit::Data => {}
        Err(fault) => return Err(fault),
    }
    Ok(Standing::Wanted { wait: marker == Marker::None })
}

/// Is the copy what the document says? A run that was killed leaves one of them behind.
fn is_complete(place: &Place, media: &Media) -> bool {
    let copy = place.run("media").join(OVF);
    media.state == MediaState::Read
        && read_bounded(&copy, MAX_OVF)
            .is_ok_and(|bytes| media.sha256.as_ref().is_some_and(|sum| sum.as_str() == sha256(&bytes)))
}

/// `<lib>/provisioned`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    /// First boot.
    None,
    /// This machine was provisioned: same identity, or no identity in it or in the machine to compare.
    Ours,
    /// This disk was provisioned in another machine.
    Other,
}

fn marker(place: &Place) -> Marker {
    match read_bounded(&place.lib("provisioned"), MAX_MARKER) {
        Err(fault) if fault.exit == Exit::NoInput => Marker::None,
        // One that makes no sense says no more than one of another machine.
        Err(_) => Marker::Other,
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match (InstanceId::parse(&text), InstanceId::of_this_machine()) {
                (Some(then), Some(now)) if !then.is_same(now) => Marker::Other,
                _ => Marker::Ours,
            }
        }
    }
}
