//! One poll of the platform: what it wants, what we have to say, and the documents that come of it.
//!
//! All parts are fetched before anything is published; the last good documents stay where a poll fails.

use std::time::Duration;

use waagent_common::config::{Config, SwitchKey};
use waagent_common::documents::{Document, Endpoint, GoalStateSource};
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::clock;
use crate::failure::{Failure, Kind};
use crate::goal_state::environment::{self, HostingEnvironment};
use crate::goal_state::extensions_config;
use crate::goal_state::model::ExtensionsState;
use crate::goal_state::wire::{self, Identity, WireGoalState};
use crate::http::Client;
use crate::retry::Backoff;
use crate::transfer_settings::Settings;
use crate::wire_server::{LARGE, SMALL, WireServer};

mod certificates;
mod choice;
mod fast_track;
mod profile;
mod publish;
mod thumbprints;

pub(crate) use fast_track::{FastTrack, remember};
pub(crate) use thumbprints::Cure;

/// What outlives a poll. Small: the parsed parts are dropped with it.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// Where the documents are.
    pub(crate) root: Root,
    /// The configuration.
    pub(crate) config: Config,
    /// For the documents.
    pub(crate) sandbox: Sandbox,
    /// To the platform.
    pub(crate) client: Client,
    /// What the configuration says about transfers.
    pub(crate) settings: Settings,
    /// When the WireServer may be asked again.
    pub(crate) backoff: Backoff,
    /// The platform speaks our version.
    negotiated: bool,
    /// What was published last.
    current: Option<Current>,
    /// The other channel.
    fast_track: FastTrack,
    environment: Environment,
    /// A document has asked another program to run; taken by who sees to it that it is heard.
    pub(crate) wants: bool,
    certificates: certificates::Due,
    missing: thumbprints::Missing,
}

/// What tells a goal state from the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Current {
    /// Of the WireServer's part.
    pub(crate) identity: Identity,
    /// Of the extensions' part.
    pub(crate) id: String,
    /// Of the extensions' part.
    pub(crate) created_on: String,
    /// Of the extensions' part.
    pub(crate) source: GoalStateSource,
}

/// What a poll came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PollResult {
    /// Who we are to the platform.
    pub(crate) identity: Identity,
    /// The goal state in force.
    pub(crate) id: String,
    /// The platform waits for a health report.
    pub(crate) expects_health: bool,
    /// Was anything published?
    pub(crate) changed: bool,
    /// What was odd, and got over.
    pub(crate) notes: Vec<String>,
}

#[derive(Debug, Default)]
struct Environment {
    hosting: Option<HostingEnvironment>,
    own_instance: Option<waagent_common::documents::OwnInstance>,
    shared_config_known: bool,
}

impl Fetcher {
    /// Nothing is asked yet.
    pub(crate) fn new(
        root: Root,
        config: Config,
        sandbox: Sandbox,
        settings: Settings,
    ) -> Result<Self, Fault> {
        let client = Client::new(&root, endpoint(&root));
        let fast_track = FastTrack::new(&root, config.switch(SwitchKey::DebugEnableFastTrack))?;
        Ok(Self {
            root,
            config,
            sandbox,
            client,
            settings,
            backoff: Backoff::default(),
            negotiated: false,
            current: None,
            fast_track,
            environment: Environment::default(),
            wants: false,
            certificates: certificates::Due::new(),
            missing: thumbprints::Missing::default(),
        })
    }

    /// The goal state that was published last.
    pub(crate) fn current(&self) -> Option<&Current> {
        self.current.as_ref()
    }

    /// Does the host offer Fast Track?
    pub(crate) fn offers_fast_track(&self) -> Option<bool> {
        self.fast_track.is_supported()
    }

    /// Takes over another endpoint: everything is asked anew there.
    pub(crate) fn follow_endpoint(&mut self) {
        let address = endpoint(&self.root);
        if address != self.client.endpoint() {
            log::info(&format!("the WireServer is at {address} now, was at {}", self.client.endpoint()));
            self.client = Client::new(&self.root, address);
            self.backoff = Backoff::default();
            self.fast_track.follow_endpoint();
            self.negotiated = false;
            self.refresh();
        }
    }

    /// The next poll asks for everything, whether it is new or not.
    pub(crate) fn refresh(&mut self) {
        self.current = None;
        self.certificates.refresh();
    }

    /// This program stays: what its neighbours are still making is waited for.
    pub fn be_patient(&mut self) {
        self.certificates.be_patient();
    }

    /// The transport certificate or the unsealed certificates have changed.
    pub(crate) fn look_at_certificates(&mut self) {
        self.certificates.look();
    }

    /// The first half of a poll: who are we to the platform?
    pub(crate) fn ask(&mut self) -> Result<WireGoalState, Failure> {
        if !self.negotiated {
            if !WireServer::new(&self.client).speaks_our_version()? {
                let text = "versions of the WireServer: 2012-11-30 isn't among them".to_owned();
                return Err(Failure { kind: Kind::Unsupported, text });
            }
            self.negotiated = true;
        }
        self.goal_state()
    }

    /// The second half: what does it want of us?
    pub(crate) fn follow(&mut self, wire: &WireGoalState) -> Result<PollResult, Failure> {
        match self.parts(wire) {
            // The goal state has moved on while its parts were fetched, or the machine has moved.
            Err(failure) if failure.kind == Kind::Stale => {
                log::verbose(&format!("{failure}; asking for a new goal state"));
                let wire = self.goal_state()?;
                self.current = None;
                self.parts(&wire)
            }
            done => done,
        }
    }

    fn goal_state(&self) -> Result<WireGoalState, Failure> {
        let mut asked = 0;
        loop {
            let bytes = WireServer::new(&self.client).goal_state()?;
            match wire::parse(&bytes) {
                Err(early) if early.kind == Kind::NoRoleInstance && asked < ROLE_INSTANCE_TRIES => {
                    asked += 1;
                    std::thread::sleep(ROLE_INSTANCE_WAIT);
                }
                parsed => return parsed,
            }
        }
    }

    fn parts(&mut self, wire: &WireGoalState) -> Result<PollResult, Failure> {
        let is_new = self.current.as_ref().is_none_or(|current| current.identity != wire.identity);
        let mut fast = self.vm_settings(&wire.identity, is_new)?;
        let may_seal = is_new || self.certificates.is_now();
        let mut notes = self.seal(wire, is_new);
        let stopped = self.fast_track.has_stopped();
        let fabric = if is_new || stopped { Some(self.extensions_config(wire)?) } else { None };
        if is_new {
            notes.extend(self.environment(wire));
        }
        let outdated =
            fabric.as_ref().is_some_and(|fabric| self.fast_track.is_newer_than(&fabric.created_on));
        // Where the other channel has ended, what it brought last is no measure any more.
        let current = self.current.as_ref().filter(|_| !stopped);
        let chosen = choice::choose(current, fabric, fast.take());
        if let Some(chosen) = &chosen {
            notes.extend(chosen.notes.iter().cloned());
        }
        // Most polls: nothing is new, and nothing was read or parsed to find that out.
        let is_news = chosen.is_some() || may_seal;
        let changed = is_news && self.publish(wire, chosen, outdated && stopped)?;
        let id = self.current.as_ref().map(|current| current.id.clone()).unwrap_or_default();
        Ok(PollResult {
            identity: wire.identity.clone(),
            id,
            expects_health: wire.expects_health,
            changed,
            notes,
        })
    }

    fn extensions_config(&self, wire: &WireGoalState) -> Result<ExtensionsState, Failure> {
        let incarnation = &wire.identity.incarnation;
        let Some(uri) = &wire.extensions_config else { return Ok(extensions_config::empty(incarnation)) };
        let bytes = WireServer::new(&self.client).part("ExtensionsConfig", uri, LARGE)?;
        let mut state = extensions_config::parse(&bytes, incarnation)?;
        drop(bytes);
        if state.profile.is_some() {
            state.on_hold = profile::is_on_hold(self, wire, &mut state);
        }
        Ok(state)
    }

    /// Names of this machine: nothing depends on them but telemetry and people, so failures are notes.
    fn environment(&mut self, wire: &WireGoalState) -> Vec<String> {
        let mut notes = Vec::new();
        let server = WireServer::new(&self.client);
        if let Some(uri) = &wire.hosting_environment {
            let answer = server.part("HostingEnvironmentConfig", uri, SMALL);
            match answer.and_then(|bytes| environment::hosting(&bytes)) {
                Ok(hosting) => self.environment.hosting = Some(hosting),
                Err(failure) => notes.push(format!("{failure}, ignoring it")),
            }
        }
        if let Some(uri) = &wire.shared_config {
            let answer = server.part("SharedConfig", uri, SMALL);
            match answer.and_then(|bytes| publish::shared_config(&self.root, &bytes)) {
                Ok(own) => {
                    self.environment.own_instance = own;
                    self.environment.shared_config_known = true;
                }
                Err(failure) => notes.push(format!("{failure}, ignoring it")),
            }
        }
        notes
    }
}

/// The address that waagent-net found; the well-known one before it has.
fn endpoint(root: &Root) -> std::net::Ipv4Addr {
    match Document::<Endpoint>::read_if_there(root) {
        Ok(Some(document)) => document.body.address,
        Ok(None) => Endpoint::WELL_KNOWN,
        Err(fault) => {
            log::warning(&format!("{fault}, using {}", Endpoint::WELL_KNOWN));
            Endpoint::WELL_KNOWN
        }
    }
}

/// For correlation in the platform's logs.
fn correlation() -> String {
    clock::uuid()
}

/// A goal state without role instance is asked for again, in all six times.
const ROLE_INSTANCE_TRIES: u32 = 5;
const ROLE_INSTANCE_WAIT: Duration = Duration::from_millis(500);
