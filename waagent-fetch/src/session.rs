//! The program's state between polls: the poll itself, what it is told about, and what it writes of itself.

use waagent_common::config::Config;
use waagent_common::documents::{
    Cursor, Document, EndpointProblem, FetchState, FetchStatus, GoalStateSource, Inputs, path_of, write,
};
use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::{log, time};

use crate::clock::{monotonic, random};
use crate::failure::{Failure, Kind};
use crate::fetcher::{Fetcher, PollResult};
use crate::health::{ReportOutcome, Reporter};
use crate::outage::Outage;
use crate::packages::channels::Channel;
use crate::retry::Throttled;
use crate::status::Uploader;
use crate::transfer_settings::Settings;
use crate::wire_server::WireServer;

/// Everything that outlives a poll.
#[derive(Debug)]
pub struct Session {
    /// The goal state.
    pub(crate) fetcher: Fetcher,
    /// Health reports.
    pub(crate) reporter: Reporter,
    /// The status blob.
    pub(crate) uploader: Uploader,
    /// By which channel packages came last.
    pub(crate) channel: Channel,
    outage: Outage,
    /// What the health report of this poll met.
    throttled: Option<Throttled>,
    told: Option<FetchStatus>,
    notes: Vec<String>,
}

impl Session {
    /// Takes up what the last run left.
    pub fn new(root: &Root, config: Config, sandbox: Sandbox, settings: Settings) -> Result<Self, Fault> {
        let cursor = Document::<Cursor>::read_if_there(root).unwrap_or_default();
        let channel = cursor.and_then(|cursor| cursor.body.download_channel);
        // A question of an earlier run: this one has heard no silence yet.
        durable::remove(&path_of::<EndpointProblem>(root))?;
        let reporter = Reporter::new(root, config.chosen_agent());
        let uploader = Uploader::new(root, &config);
        Ok(Self {
            fetcher: Fetcher::new(root.clone(), config, sandbox, settings)?,
            reporter,
            uploader,
            channel: channel.unwrap_or(Channel::Direct),
            outage: Outage::default(),
            throttled: None,
            told: None,
            notes: Vec::new(),
        })
    }

    /// One poll: who are we, how are we, what is wanted.
    pub(crate) fn poll(&mut self) -> Result<PollResult, Failure> {
        let result = self.ask_and_follow();
        self.spare_the_platform(&result);
        self.take_note(&result);
        result
    }

    /// After a poll that met "not so often" the next one waits; a poll that went well ends that.
    fn spare_the_platform(&mut self, result: &Result<PollResult, Failure>) {
        let throttled = match (result, self.throttled.take()) {
            (Err(Failure { kind: Kind::Throttled(throttled), .. }), _) => Some(*throttled),
            (_, throttled) => throttled,
        };
        if throttled.is_some() || result.is_ok() {
            self.fetcher.backoff.note(throttled, monotonic(), random(41));
        }
    }

    fn ask_and_follow(&mut self) -> Result<PollResult, Failure> {
        let wire = self.fetcher.ask()?;
        let identity = wire.identity.clone();
        let Fetcher { root, sandbox, client, .. } = &self.fetcher;
        let told = self.reporter.report(root, sandbox, WireServer::new(client), &wire);
        if let Err(fault) = &told {
            log::error(&fault.text);
        }
        if let Ok(ReportOutcome::Throttled(throttled)) = told {
            self.throttled = Some(throttled);
        }
        let poll = self.fetcher.follow(&wire)?;
        let Fetcher { root, sandbox, client, .. } = &self.fetcher;
        if told == Ok(ReportOutcome::Everything) {
            self.reporter.tell_fingerprint(root, sandbox, WireServer::new(client), &identity)?;
        }
        if poll.changed {
            self.uploader.doubt();
        }
        Ok(poll)
    }

    /// Says a failure once, and now and then; writes our own status when it changes.
    fn take_note(&mut self, result: &Result<PollResult, Failure>) {
        let now = monotonic();
        match result {
            Ok(poll) => {
                if let Some(text) = self.outage.ended(now) {
                    log::info(&text);
                    self.endpoint_answers();
                }
                self.say_notes(poll);
            }
            Err(failure) => {
                if let Some(text) = self.outage.failed(now, &failure.text) {
                    log::error(&text);
                }
                if failure.kind == Kind::Silent && self.outage.failures() == ENDPOINT_TRIES {
                    self.endpoint_is_silent();
                }
            }
        }
        self.write_status(result);
    }

    fn say_notes(&mut self, poll: &PollResult) {
        if self.notes != poll.notes && !poll.notes.is_empty() {
            for note in &poll.notes {
                log::warning(note);
            }
        }
        if poll.changed || !poll.notes.is_empty() {
            self.notes.clone_from(&poll.notes);
        }
    }

    fn write_status(&mut self, result: &Result<PollResult, Failure>) {
        let state = match (result, self.fetcher.current()) {
            (Err(failure), _) => match failure.kind {
                Kind::Silent => FetchState::Silent,
                Kind::Unsupported => FetchState::UnsupportedPlatform,
                _ => FetchState::Unusable,
            },
            (Ok(_), None) => FetchState::NoGoalState,
            (Ok(poll), Some(current)) => FetchState::GoalState {
                incarnation: poll.identity.incarnation.clone(),
                is_fast_track: current.source == GoalStateSource::FastTrack,
            },
        };
        let status = FetchStatus {
            state,
            endpoint: self.fetcher.client.endpoint(),
            goal_state_id: self.fetcher.current().map(|current| current.id.clone()),
            fast_track: self.fetcher.offers_fast_track(),
            error: result
                .as_ref()
                .err()
                .map(|failure| waagent_common::text::cut(&failure.text, 1024).to_owned()),
            notes: self.notes.iter().take(64).cloned().collect(),
        };
        if self.told.as_ref() == Some(&status) {
            return;
        }
        waagent_common::notify::notify(&format!("STATUS={}", status.state));
        if let Err(fault) = write(&self.fetcher.root, &status, &Inputs::new(), &self.fetcher.sandbox) {
            log::error(&fault.text);
        }
        self.told = Some(status);
    }

    /// waagent-net looks for the WireServer again.
    fn endpoint_is_silent(&mut self) {
        let since = time::unix_seconds().saturating_sub(self.outage.lasts(monotonic()).as_secs());
        let problem = EndpointProblem {
            address: self.fetcher.client.endpoint(),
            since: i64::try_from(since).map_or_else(|_| time::now_seconds(), time::of_unix),
            failures: self.outage.failures(),
        };
        if let Err(fault) = write(&self.fetcher.root, &problem, &Inputs::new(), &self.fetcher.sandbox) {
            log::error(&fault.text);
        }
        self.fetcher.wants = true;
    }

    fn endpoint_answers(&self) {
        if let Err(fault) = durable::remove(&path_of::<EndpointProblem>(&self.fetcher.root)) {
            log::error(&fault.text);
        }
    }
}

/// After so many polls without an answer the address itself is in doubt.
const ENDPOINT_TRIES: u32 = 5;
