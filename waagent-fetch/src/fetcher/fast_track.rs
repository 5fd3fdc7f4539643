//! vmSettings, poll by poll: is the channel there, what did it say last, was it ever in use?

use std::time::Duration;

use waagent_common::documents::{Cursor, Document, Inputs, write};
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use super::{Fetcher, correlation};
use crate::clock::{monotonic, random};
use crate::failure::{Failure, Kind};
use crate::goal_state::model::ExtensionsState;
use crate::goal_state::vm_settings;
use crate::goal_state::wire::Identity;
use crate::plugin::{UNFIT, fits_a_header};
use crate::retry::Backoff;
use crate::wire_server::{VmSettingsAnswer, WireServer};

/// What is known about the channel.
#[derive(Debug)]
pub(crate) struct FastTrack {
    enabled: bool,
    supported: Option<bool>,
    /// Not to be asked before, after a host that doesn't know it.
    ask_at: Duration,
    etag: Option<String>,
    /// Why the text of this ETag was refused.
    refused: Option<Failure>,
    /// When the last goal state of this channel was made, also one of an earlier run.
    last_created_on: Option<String>,
    /// It was in use, and the host doesn't offer it any more.
    stopped: bool,
    /// When it began to fail, on a machine that never used it.
    failing_since: Option<Duration>,
    /// When the plugin may be asked again. It has its own, so that the WireServer's polls and reports go on.
    backoff: Backoff,
    /// What it said, for as long as it is left alone.
    throttled: Option<Failure>,
}

impl FastTrack {
    /// What an earlier run left; its own file, or that of WALinuxAgent.
    pub(crate) fn new(root: &Root, enabled: bool) -> Result<Self, Fault> {
        let cursor = Document::<Cursor>::read_if_there(root)?;
        let last_created_on = cursor.and_then(|document| document.body.fast_track_created_on);
        Ok(Self {
            enabled,
            supported: None,
            ask_at: Duration::ZERO,
            etag: None,
            refused: None,
            // Switched off by the configuration: the same as a host that stopped offering it.
            stopped: !enabled && last_created_on.is_some(),
            last_created_on,
            failing_since: None,
            backoff: Backoff::default(),
            throttled: None,
        })
    }

    /// Does the host offer it? Unknown before the first answer.
    pub(crate) fn is_supported(&self) -> Option<bool> {
        if self.enabled { self.supported } else { Some(false) }
    }

    /// It was in use and has ended: the WireServer's goal state may be an older one.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// Was the last goal state of this channel made later?
    pub(crate) fn is_newer_than(&self, created_on: &str) -> bool {
        self.last_created_on.as_deref().is_some_and(|last| last > created_on)
    }

    /// A goal state was published: of this channel, or of the other.
    pub(crate) fn published(
        &mut self,
        created_on: Option<&str>,
        root: &Root,
        sandbox: &Sandbox,
    ) -> Result<(), Fault> {
        self.stopped = false;
        let created_on = created_on.map(str::to_owned);
        if self.last_created_on == created_on {
            return Ok(());
        }
        self.last_created_on.clone_from(&created_on);
        remember(root, sandbox, |cursor| cursor.fast_track_created_on = created_on)
    }

    /// Another address is another host.
    pub(crate) fn follow_endpoint(&mut self) {
        self.throttled = None;
        self.backoff = Backoff::default();
    }

    /// What came of it, for the next poll. Gives the answer, or what kind of failure it is for the poll.
    fn note(&mut self, answer: Result<VmSettingsAnswer, Failure>) -> Result<VmSettingsAnswer, Failure> {
        match answer {
            Ok(answer) => {
                self.throttled = None;
                self.backoff.note(None, monotonic(), 0);
                Ok(answer)
            }
            Err(mut failure) => {
                let kind = failure.kind;
                // It is the plugin that is silent or throttles: the WireServer has just answered at the same address.
                if matches!(kind, Kind::Silent | Kind::Throttled(_)) {
                    failure.kind = Kind::Busy;
                }
                if let Kind::Throttled(throttled) = kind {
                    self.backoff.note(Some(throttled), monotonic(), random(41));
                    self.throttled = Some(failure.clone());
                }
                Err(failure)
            }
        }
    }

    /// The failure that still holds, of a plugin that is left alone.
    fn is_left_alone(&self) -> Option<Failure> {
        self.throttled.clone().filter(|_| !self.backoff.is_over(monotonic()))
    }

    fn is_asked(&self) -> bool {
        self.enabled && monotonic() >= self.ask_at
    }

    fn is_unknown(&mut self) {
        self.stopped = self.stopped || self.last_created_on.is_some();
        self.supported = Some(false);
        self.etag = None;
        self.failing_since = None;
        self.ask_at = monotonic() + ASK_AGAIN;
    }

    /// May a poll go on without an answer? Only where this channel was never used, and after some time: an older
    /// goal state could win otherwise.
    fn goes_on_without(&mut self) -> bool {
        if self.last_created_on.is_some() || self.supported == Some(true) {
            return false;
        }
        let since = *self.failing_since.get_or_insert_with(monotonic);
        monotonic().saturating_sub(since) >= PATIENCE
    }
}

/// Changes what is remembered between runs.
pub(crate) fn remember(
    root: &Root,
    sandbox: &Sandbox,
    change: impl FnOnce(&mut Cursor),
) -> Result<(), Fault> {
    // A damaged one is worth no more than none: what is lost is asked again.
    let known = Document::<Cursor>::read_if_there(root).ok().flatten();
    let mut cursor = known.map(|document| document.body).unwrap_or_default();
    change(&mut cursor);
    write(root, &cursor, &Inputs::new(), sandbox).map(|_| ())
}

impl Fetcher {
    /// Asks for vmSettings; `anew` also where they haven't changed. None where there is nothing new, or nothing that
    /// came by this channel.
    pub(super) fn vm_settings(
        &mut self,
        ids: &Identity,
        anew: bool,
    ) -> Result<Option<ExtensionsState>, Failure> {
        if !self.fast_track.is_asked() {
            return Ok(None);
        }
        if !fits_a_header(&ids.config_name) {
            if self.fast_track.supported.is_none() {
                log::warning(&format!("{UNFIT}, using the WireServer and storage alone"));
            }
            self.fast_track.is_unknown();
            return Ok(None);
        }
        let etag = if anew { None } else { self.fast_track.etag.clone() };
        let answer = if let Some(failure) = self.fast_track.is_left_alone() {
            Err(failure)
        } else {
            let server = WireServer::new(&self.client);
            self.fast_track.note(server.vm_settings(ids, etag.as_deref(), correlation()))
        };
        let answer = match answer {
            Err(failure) if failure.kind == Kind::Stale => return Err(failure),
            Err(failure) if self.fast_track.goes_on_without() => {
                log::verbose(&format!("{failure}; going on with the WireServer alone"));
                return Ok(None);
            }
            Err(failure) => {
                self.fast_track.etag = None;
                return Err(failure);
            }
            Ok(answer) => answer,
        };
        self.fast_track.failing_since = None;
        match answer {
            VmSettingsAnswer::New(etag, bytes) => self.take(etag, &bytes),
            VmSettingsAnswer::NotModified => match &self.fast_track.refused {
                Some(failure) => Err(failure.clone()),
                None => Ok(None),
            },
            VmSettingsAnswer::Unknown => {
                self.fast_track.is_unknown();
                Ok(None)
            }
        }
    }

    fn take(&mut self, etag: String, bytes: &[u8]) -> Result<Option<ExtensionsState>, Failure> {
        let parsed = vm_settings::parse(bytes, &etag);
        // Kept also for a text that is refused: it isn't fetched and refused again while it stays the same.
        self.fast_track.etag = Some(etag);
        match parsed {
            Err(failure) => {
                self.fast_track.refused = Some(failure.clone());
                Err(failure)
            }
            Ok(settings) => {
                self.fast_track.refused = None;
                if !settings.supported {
                    self.fast_track.is_unknown();
                    return Ok(None);
                }
                self.fast_track.supported = Some(true);
                Ok(settings.is_fast_track.then_some(settings.state))
            }
        }
    }
}

/// A host that doesn't know vmSettings is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(6 * 3600);
/// How long a channel that never worked may hold up the other.
const PATIENCE: Duration = Duration::from_secs(300);
