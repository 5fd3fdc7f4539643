//! One upload: by the host's plugin, and where that fails from here.

use waagent_common::documents::StatusBlob;
use waagent_common::root::Root;

use crate::http::{Client, HttpError, Request, Response, STORAGE_TIME, StorageUri};
use crate::packages::channels::Channel;
use crate::plugin::{HostIds, Plugin};
use crate::retry::is_stale;
use crate::storage::{BlobRequest, Storage, failure, pad, puts};
use crate::transfer_settings::Settings;

/// A status that is to be sent.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The text.
    pub(crate) text: Vec<u8>,
    /// Digest of the text but for its times.
    pub(crate) digest: String,
    /// Where to.
    pub blob: StatusBlob,
    /// Whose it is.
    pub(crate) ids: HostIds,
    /// Did the goal state come by Fast Track?
    pub(crate) fast_track: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The platform has it.
    Taken(Channel),
    /// The host knows this machine by other ids: nothing was sent, the newest goal state has them.
    Stale,
    /// Nobody took it, and this is why.
    Failed {
        /// For people; no query of a URI.
        text: String,
        /// The URI's signature isn't good any more: the newest goal state has another one.
        is_forbidden: bool,
    },
}

/// Sends it: one attempt by each channel, a minute and a half at most. The next attempt is the rhythm's affair.
pub fn send(root: &Root, client: &Client, settings: &Settings, upload: &Upload) -> Sent {
    let uri = match StorageUri::parse(&upload.blob.uri, settings.allow_http) {
        Ok(uri) => uri,
        Err(error) => return Sent::Failed { text: format!("status blob {error}"), is_forbidden: false },
    };
    let mut text = upload.text.clone();
    if upload.blob.kind == waagent_common::documents::BlobKind::Page {
        pad(&mut text);
    }
    let requests = puts(&uri, upload.blob.kind, text.len());
    let mut plugin = Plugin::new(client, &upload.ids, upload.fast_track);
    let by_plugin = all(&requests, |put| plugin.put(put, &text), Response::is_success);
    let plugin_failed = match by_plugin {
        Ok(()) => return Sent::Taken(Channel::HostGaPlugin),
        Err(Refusal::Answered(answer)) if is_stale(&answer) => return Sent::Stale,
        Err(refusal) => refusal,
    };
    let storage = Storage::new(root);
    let directly = all(
        &requests,
        |put| {
            let body = text.get(put.bytes.clone()).unwrap_or_default();
            let mut request = Request::put(body).timeout(STORAGE_TIME);
            request.headers.clone_from(&put.headers);
            storage.ask(&put.uri, &request)
        },
        |answer| answer.status == CREATED,
    );
    match directly {
        Ok(()) => Sent::Taken(Channel::Direct),
        Err(refusal) => Sent::Failed {
            is_forbidden: matches!(&refusal, Refusal::Answered(answer) if answer.status == FORBIDDEN),
            text: format!("host's plugin: {}; storage: {}", plugin_failed.text(&uri), refusal.text(&uri)),
        },
    }
}

/// Why one request of an upload failed.
enum Refusal {
    Answered(Box<Response>),
    Unanswered(HttpError),
}

impl Refusal {
    fn text(&self, uri: &StorageUri) -> String {
        match self {
            Self::Answered(answer) => answer.shown(),
            Self::Unanswered(error) => failure(uri, error),
        }
    }
}

/// Sends all requests in order. A page blob that somebody changed or made anew in between is made again, once.
fn all(
    requests: &[BlobRequest],
    mut send: impl FnMut(&BlobRequest) -> Result<Response, HttpError>,
    is_success: impl Fn(&Response) -> bool,
) -> Result<(), Refusal> {
    let mut again = requests.len() > 1;
    let mut left = requests.iter();
    while let Some(put) = left.next() {
        let answer = send(put).map_err(Refusal::Unanswered)?;
        if is_success(&answer) {
            continue;
        }
        if !again || !matches!(answer.status, CONFLICT | PRECONDITION_FAILED) {
            return Err(Refusal::Answered(Box::new(answer)));
        }
        again = false;
        left = requests.iter();
    }
    Ok(())
}

/// The one success of storage.
const CREATED: u16 = 201;
const FORBIDDEN: u16 = 403;
const CONFLICT: u16 = 409;
const PRECONDITION_FAILED: u16 = 412;

#[cfg(test)]
mod tests {
    use waagent_common::documents::BlobKind;

    use super::*;

    fn requests() -> Vec<BlobRequest> {
        puts(&StorageUri::parse("https://a/b?sig=s", false).unwrap(), BlobKind::Page, 512)
    }

    /// Sends against a list of statuses; gives how many requests were sent, and the last status if it failed.
    fn outcome(statuses: &[u16]) -> (usize, Option<u16>) {
        let mut sent = 0;
        let result = all(
            &requests(),
            |_| {
                sent += 1;
                Ok(Response::new(statuses[sent - 1], &[], b""))
            },
            |answer| answer.status == CREATED,
        );
        let status = match result {
            Err(Refusal::Answered(answer)) => Some(answer.status),
            _ => None,
        };
        (sent, status)
    }

    #[test]
    fn makes_a_page_blob_again_once_and_only_after_a_conflict() {
        assert_eq!(outcome(&[201, 201]), (2, None));
        assert_eq!(outcome(&[201, 412, 201, 201]), (4, None));
        assert_eq!(outcome(&[409, 201, 201]), (3, None));
        assert_eq!(outcome(&[201, 409, 201, 409]), (4, Some(409)));
        assert_eq!(outcome(&[201, 403]), (2, Some(403)));
    }
}
