//! Status out: the platform's sign of life, and what the extensions came to.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use waagent_common::config::{Config, TextKey};
use waagent_common::digest::sha256;
use waagent_common::documents::{
    Body, Document, ExtensionStatus, GoalState, GoalStateSource, ProvisionStatus, Uris,
};
use waagent_common::root::Root;
use waagent_common::{durable, log, time};

use crate::packages::channels::Channel;
use crate::plugin::HostIds;

pub(crate) mod os;
pub(crate) mod report;
pub(crate) mod schedule;
pub mod send;

use os::Os;
use report::{Agent, Facts, Update, render, unanswered};
use schedule::UploadSchedule;
pub use send::{Sent, Upload, send};

/// Makes the status, knows when it is to be sent, and what became of it.
#[derive(Debug)]
pub struct Uploader {
    root: Root,
    os: Os,
    /// `AutoUpdate.GAFamily`.
    family: String,
    rhythm: UploadSchedule,
    /// Digest of what `fetch/waagent_status.json` says, but for its times.
    written: Option<String>,
    /// What the last run of this program left there: its time, and the digest of the file.
    left: Option<(String, String)>,
    /// A goal state that waagent-ext hasn't taken over, and since when.
    waiting: Option<(String, Duration)>,
    /// By which channel the last one went.
    channel: Option<Channel>,
    /// When a goal state was last asked for because of an expired signature.
    renewed: Option<Duration>,
    is_without_blob: bool,
}

/// What the caller is to do after an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Fetch the whole goal state anew.
    NewGoalState,
}

impl Uploader {
    /// Takes up what the last run left.
    pub fn new(root: &Root, config: &Config) -> Self {
        let left = durable::read_bounded(&root.path(COPY), MAX_COPY).ok();
        let left = left.and_then(|bytes| {
            let stamp: Stamp = serde_json::from_slice(&bytes).ok()?;
            Some((stamp.timestamp_utc, sha256(&bytes)))
        });
        Self {
            root: root.clone(),
            os: Os::read(root),
            family: config.text(TextKey::AutoUpdateGaFamily).to_owned(),
            rhythm: UploadSchedule::default(),
            written: None,
            left,
            waiting: None,
            channel: None,
            renewed: None,
            is_without_blob: false,
        }
    }

    /// A document changed that the status is made of: goal state, URIs, provisioning, extensions.
    pub fn doubt(&mut self) {
        self.rhythm.doubt();
    }

    /// When to call [`Uploader::prepare`] next, on the monotonic clock.
    pub fn next(&self) -> Duration {
        self.rhythm.next()
    }

    /// The status, if one is to be sent now. `fast_track`: does the host offer that channel?
    ///
    /// A document that can't be read is left out and said: the sign of life goes on.
    pub fn prepare(&mut self, fast_track: bool, now: Duration) -> Option<Upload> {
        if !self.rhythm.is_due(now) {
            return None;
        }
        let goal_state = self.read::<GoalState>();
        let blob = self.read::<Uris>().and_then(|uris| uris.body.status_blob);
        let (Some(goal_state), false) = (goal_state, self.is_switched_off()) else {
            self.rhythm.rest();
            return None;
        };
        let Some(blob) = blob else {
            self.without_blob();
            return None;
        };
        self.is_without_blob = false;
        let goal_state = goal_state.body;
        let mut facts = self.facts(&goal_state, fast_track, now);
        let digest = self.render(&mut facts, "").map(|bytes| sha256(&bytes))?;
        self.resume(&mut facts, &digest, now);
        if !self.rhythm.wants(now, &digest) {
            return None;
        }
        let text = self.render(&mut facts, &time::now_seconds())?;
        self.copy(&text, &digest);
        self.rhythm.begins();
        let ids = HostIds { container_id: goal_state.container_id, config_name: goal_state.config_name };
        let fast_track = goal_state.source == GoalStateSource::FastTrack;
        Some(Upload { text, digest, blob, ids, fast_track })
    }

    /// Takes note of what became of an upload. `chance` is 0 to 40, for jitter.
    pub fn note(&mut self, upload: &Upload, sent: &Sent, now: Duration, chance: u32) -> Next {
        match sent {
            Sent::Taken(channel) => {
                if self.channel != Some(*channel) {
                    log::info(&format!("uploaded the status, {} bytes, {channel}", upload.text.len()));
                }
                self.channel = Some(*channel);
                self.rhythm.sent(now, upload.digest.clone());
                Next::Nothing
            }
            Sent::Stale => {
                self.rhythm.failed(now, chance);
                log::verbose(
                    "the host knows this machine by other ids: the status waits for the newest goal state",
                );
                Next::NewGoalState
            }
            Sent::Failed { text, is_forbidden } => {
                self.channel = None;
                let failures = self.rhythm.failed(now, chance);
                if is_told(failures) {
                    log::error(&format!("cannot upload the status ({failures} times now): {text}"));
                }
                let is_due = self.renewed.is_none_or(|last| now >= last + RENEWAL);
                if *is_forbidden && is_due {
                    self.renewed = Some(now);
                    return Next::NewGoalState;
                }
                Next::Nothing
            }
        }
    }

    fn facts(&mut self, goal_state: &GoalState, fast_track: bool, now: Duration) -> Facts {
        let provisioning = self.read::<ProvisionStatus>();
        let extensions = self.read::<ExtensionStatus>().map(|status| status.body);
        let answers = extensions.as_ref().and_then(|status| status.goal_state_id.as_deref());
        let is_silent = self.is_silent(goal_state, answers, now);
        let (handlers, aggregate) = match extensions {
            Some(status) if !is_silent => (status.handlers, status.goal_state_aggregate),
            Some(status) => (unanswered(&goal_state.extensions), status.goal_state_aggregate),
            None if is_silent => (unanswered(&goal_state.extensions), None),
            None => (Vec::new(), None),
        };
        Facts {
            handlers,
            goal_state: aggregate,
            agent: Agent::of(provisioning.as_ref().map(|status| &status.body)),
            update: Update::of(&goal_state.agent_families, &self.family),
            fast_track,
            computer: os::host_name(),
        }
    }

    /// Has waagent-ext left this goal state alone for five minutes?
    fn is_silent(&mut self, goal_state: &GoalState, answers: Option<&str>, now: Duration) -> bool {
        if goal_state.extensions.is_empty() || answers == Some(goal_state.id.as_str()) {
            self.waiting = None;
            return false;
        }
        match &self.waiting {
            Some((id, since)) if *id == goal_state.id => now >= *since + PATIENCE,
            _ => {
                self.waiting = Some((goal_state.id.clone(), now));
                false
            }
        }
    }

    /// After a restart: is this what the last run sent, and how long ago?
    fn resume(&mut self, facts: &mut Facts, digest: &str, now: Duration) {
        let Some((stamp, left)) = self.left.take() else { return };
        if self.render(facts, &stamp).is_none_or(|bytes| sha256(&bytes) != left) {
            return;
        }
        self.written = Some(digest.to_owned());
        let age = time::parse(&stamp).and_then(|at| SystemTime::now().duration_since(at).ok());
        if let Some(at) = age.and_then(|age| now.checked_sub(age)) {
            self.rhythm = UploadSchedule::resumed(at, digest.to_owned());
        }
    }

    fn render(&self, facts: &mut Facts, stamp: &str) -> Option<Vec<u8>> {
        render(facts, &self.os, stamp)
            .inspect_err(|why| log::error(&format!("cannot make the status: {why}")))
            .ok()
    }

    /// Keeps the text for people, when it says something new. A full disk mustn't stop the upload.
    fn copy(&mut self, text: &[u8], digest: &str) {
        if self.written.as_deref() == Some(digest) {
            return;
        }
        match durable::write(&self.root.path(COPY), text, 0o640) {
            Ok(()) => self.written = Some(digest.to_owned()),
            Err(fault) => log::warning(&format!("{fault}, uploading the status all the same")),
        }
    }

    /// Somebody wants no agent on this machine: deployment ends by the health report, and that is all.
    fn is_switched_off(&self) -> bool {
        self.root.state_path("disable_agent").symlink_metadata().is_ok()
    }

    fn without_blob(&mut self) {
        self.rhythm.rest();
        if !self.is_without_blob {
            self.is_without_blob = true;
            log::error("Status upload uri is missing: the goal state names no status blob");
        }
    }

    fn read<T: Body>(&self) -> Option<Document<T>> {
        Document::<T>::read_if_there(&self.root)
            .inspect_err(|fault| log::warning(&format!("{fault}, reporting without it")))
            .ok()
            .flatten()
    }
}

/// The first failure, then about after one, ten and sixty minutes, then each hour.
fn is_told(failures: u32) -> bool {
    matches!(failures, 1 | 6 | 15) || failures.is_multiple_of(65)
}

#[derive(Deserialize)]
struct Stamp {
    #[serde(rename = "timestampUTC")]
    timestamp_utc: String,
}

/// The last text, for people and diagnostics.
const COPY: &str = "/var/lib/waagent/fetch/waagent_status.json";
const MAX_COPY: u64 = 1 << 20;
/// How long waagent-ext may take to begin with a goal state.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two goal states that are fetched because of an expired signature.
const RENEWAL: Duration = Duration::from_secs(300);
