//! What the platform knows and wants at the moment: the goal state, the way to the next one, storage, the record.

use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::extensions_config::{self, PROFILE};
use crate::fault::Faults;
use crate::http::{Request, Response};
use crate::identity::{Identities, Identity};
use crate::packages;
use crate::pfx;
use crate::record::{GoalStateShown, Record};
use crate::revision::Revision;
use crate::route::{Listener, Route};
use crate::scenario::{CertificateSpec, Channel, RemoteUser, Scenario, Then};
use crate::settings::seal_all;
use crate::storage::Storage;
use crate::vm_settings;

/// All state of the fabric.
#[derive(Debug)]
pub struct Platform {
    /// What it plays.
    pub scenario: Scenario,
    /// Authority of all goal state URIs.
    pub authority: String,
    /// Certificates of the machine.
    pub identities: Identities,
    /// The goal state of the moment.
    pub goal: Goal,
    /// Blobs.
    pub storage: Storage,
    /// What was received.
    pub record: Record,
    /// What goes wrong.
    pub faults: Faults,
}

/// A goal state.
#[derive(Clone, Debug)]
pub struct Goal {
    /// 0 for the first one.
    pub number: usize,
    /// As the WireServer says.
    pub incarnation: u64,
    /// As the WireServer says.
    pub container_id: String,
    /// Names of the certificates it carries.
    pub certificates: Vec<String>,
    /// The PFX of these, in clear.
    pub pfx: Vec<u8>,
    /// What ExtensionsConfig says.
    pub extensions_config: String,
    /// What vmSettings say, and their ETag.
    pub vm_settings: (String, String),
    /// Whether the host has vmSettings.
    pub vm_settings_supported: bool,
    /// Extensions and hold that are in force.
    pub revision: Revision,
    /// Accounts of just-in-time access.
    pub remote_users: Vec<RemoteUser>,
    /// Requests for the goal state since it began.
    pub polls: u64,
    /// Status uploads since it began.
    pub uploads: u64,
}

impl Platform {
    /// The platform before the first request.
    pub fn new(
        scenario: Scenario,
        authority: String,
        storage_base: String,
        identities: Identities,
        state: Option<&Path>,
    ) -> Result<Self> {
        let mut storage = Storage::new(storage_base, &scenario.vm.name, &scenario.storage.signature);
        packages::publish(&scenario, &mut storage, state)?;
        let goal = first(&scenario, &identities, &mut storage)?;
        let faults = Faults::new(scenario.fault.clone());
        let mut platform =
            Self { scenario, authority, identities, goal, storage, record: Record::default(), faults };
        platform.announce();
        Ok(platform)
    }

    /// Answers a request that no fault kept off.
    pub fn answer(&mut self, listener: Listener, route: Route, request: &Request) -> Response {
        match listener {
            Listener::WireServer => self.wire_server(route, request),
            Listener::HostPlugin => self.host_plugin(route, request),
            Listener::Imds => self.imds(request),
            Listener::Storage => self.storage(route, request),
            Listener::Control => Response::refused(404, "no such verb"),
        }
    }

    fn storage(&mut self, route: Route, request: &Request) -> Response {
        match route {
            Route::StorageGet => self.storage.read(request),
            Route::StoragePut => self.put_blob(request, "direct"),
            _ => Response::refused(405, "storage takes GET and PUT"),
        }
    }

    /// A PUT to storage, directly or through the HostGAPlugin; a status is decoded.
    pub fn put_blob(&mut self, request: &Request, channel: &str) -> Response {
        let response = self.storage.write(request);
        let is_status = request.path() == self.storage.status_path && !request.body.is_empty();
        if response.status == 201
            && is_status
            && let Some(blob) = self.storage.blob(request.path())
        {
            self.record.status(&blob.bytes, blob.kind, channel);
            self.goal.uploads += 1;
        }
        response
    }

    /// Goes to the next goal state if its time has come.
    pub fn move_on_if_due(&mut self) -> Result<()> {
        let due = |then: &Then| self.meets(&then.after);
        match self.scenario.then.get(self.goal.number) {
            Some(then) if due(then) => self.move_on().map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Goes to the next goal state; false if the scenario has none.
    pub fn move_on(&mut self) -> Result<bool> {
        let Some(then) = self.scenario.then.get(self.goal.number).cloned() else { return Ok(false) };
        self.change(&then)?;
        Ok(true)
    }

    /// Changes the goal state as told, whatever the scenario says.
    pub fn change(&mut self, then: &Then) -> Result<()> {
        let old = self.goal.clone();
        let extensions = match &then.extension {
            Some(extensions) => seal_all(extensions, &self.identities, self.scenario.certificates.pfx)?,
            None => old.revision.extensions,
        };
        let revision = Revision {
            channel: then.channel,
            extensions,
            on_hold: then.on_hold.or(old.revision.on_hold),
            ticks: ticks(),
        };
        let incarnation = match then.channel {
            Channel::Fabric => old.incarnation + 1,
            Channel::FastTrack => old.incarnation,
        };
        let certificates = then.certificates.clone().unwrap_or(old.certificates);
        let kept = (old.extensions_config, old.number + 1);
        self.goal = Goal {
            number: kept.1,
            incarnation: then.incarnation.unwrap_or(incarnation),
            container_id: then.container_id.clone().unwrap_or(old.container_id),
            pfx: pack(&certificates, &self.identities, &self.scenario)?,
            certificates,
            extensions_config: kept.0,
            vm_settings: old.vm_settings,
            vm_settings_supported: then.vm_settings_supported.unwrap_or(old.vm_settings_supported),
            revision,
            remote_users: then.remote_user.clone().unwrap_or(old.remote_users),
            polls: 0,
            uploads: 0,
        };
        render(&mut self.goal, &self.scenario, &mut self.storage);
        self.announce();
        Ok(())
    }

    fn announce(&mut self) {
        let goal = &self.goal;
        self.record.goal_states.push(GoalStateShown {
            at: Timestamp::now(),
            incarnation: goal.incarnation,
            etag: goal.vm_settings.1.clone(),
            extensions: goal.revision.extensions.len(),
        });
    }
}

fn first(scenario: &Scenario, identities: &Identities, storage: &mut Storage) -> Result<Goal> {
    let spec = &scenario.goal_state;
    let at_start = |certificate: &&CertificateSpec| certificate.at_start;
    let certificates: Vec<String> =
        scenario.certificate.iter().filter(at_start).map(|certificate| certificate.name.clone()).collect();
    let channel = if scenario.vm_settings.fast_track { Channel::FastTrack } else { Channel::Fabric };
    let revision = Revision {
        channel,
        extensions: seal_all(&scenario.extension, identities, scenario.certificates.pfx)?,
        on_hold: spec.on_hold,
        ticks: FIRST_TICKS,
    };
    let mut goal = Goal {
        number: 0,
        incarnation: spec.incarnation,
        container_id: spec.container_id.clone(),
        pfx: pack(&certificates, identities, scenario)?,
        certificates,
        extensions_config: String::new(),
        vm_settings: (String::new(), String::new()),
        vm_settings_supported: scenario.vm_settings.supported,
        revision,
        remote_users: scenario.remote_user.clone(),
        polls: 0,
        uploads: 0,
    };
    // A machine begins with an ExtensionsConfig, by whichever way its extensions come.
    let before = Revision { ticks: goal.revision.ticks - 1, extensions: Vec::new(), ..goal.revision.clone() };
    goal.extensions_config = extensions_config::document(scenario, &before, goal.incarnation, storage);
    render(&mut goal, scenario, storage);
    Ok(goal)
}

/// Writes the documents of a goal state: by Fast Track ExtensionsConfig stays what it was.
fn render(goal: &mut Goal, scenario: &Scenario, storage: &mut Storage) {
    if let Some(on_hold) = goal.revision.on_hold {
        storage.publish(PROFILE, extensions_config::profile(on_hold));
    }
    let sequence =
        u64::try_from(goal.number).unwrap_or(u64::MAX).saturating_add(scenario.goal_state.incarnation);
    if goal.revision.channel == Channel::Fabric {
        goal.extensions_config =
            extensions_config::document(scenario, &goal.revision, goal.incarnation, storage);
    }
    let document = vm_settings::document(scenario, &goal.revision, sequence, storage);
    goal.vm_settings = (document.to_string(), format!("{}", goal.revision.ticks));
}

fn pack(names: &[String], identities: &Identities, scenario: &Scenario) -> Result<Vec<u8>> {
    let known = |name: &String| identities.get(name).with_context(|| format!("no certificate '{name}'"));
    let packed: Vec<&Identity> = names.iter().map(known).collect::<Result<_>>()?;
    pfx::pack(&packed, scenario.certificates.pfx)
}

/// Now, in 100 ns units since 0001-01-01T00:00:00Z.
fn ticks() -> i128 {
    Timestamp::now().as_nanosecond() / 100 + UNIX_EPOCH_TICKS
}

/// 2026-01-31T08:00:00Z: a machine that starts again, and the platform with it, finds the goal state that it left.
const FIRST_TICKS: i128 = UNIX_EPOCH_TICKS + 1_769_846_400 * 10_000_000;

/// 1970-01-01 in ticks.
const UNIX_EPOCH_TICKS: i128 = 621_355_968_000_000_000;
