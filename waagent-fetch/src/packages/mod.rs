//! Packages in: manifest, version choice, download, and a document for each that waagent-ext asked for.

use std::time::{Duration, Instant};

use anyhow::Result;
use waagent_common::digest::sha256;
use waagent_common::documents::{
    Document, GoalState, GoalStateSource, Inputs, Package, PackageState, Uris, Wanted, WantedPackage,
};
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::http::{Client, StorageUri};
use crate::plugin::{HostIds, Plugin};
use crate::retry::{DEFAULT, Pause};
use crate::storage::Storage;
use crate::transfer_settings::Settings;

pub(crate) mod archive;
pub mod channels;
pub(crate) mod download;
pub(crate) mod manifest;
pub(crate) mod store;
pub(crate) mod version;

use channels::{Channel, Cure, DownloadFailure, Start, search};
use download::{Download, Downloaded};
use manifest::Choice;
use store::PackageStore;

/// What the work needs; all of it can be had by a thread.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Where the documents are.
    pub root: &'a Root,
    /// For the documents that are written.
    pub sandbox: &'a Sandbox,
    /// To the platform.
    pub client: &'a Client,
    /// The configuration.
    pub settings: &'a Settings,
}

/// What one run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Packages that are there now and weren't before.
    pub ready: usize,
    /// Packages that can't be had; their documents say why.
    pub failed: usize,
    /// Packages without an answer: they wait for another goal state, or for the next run.
    pub left: usize,
    /// The host knows this machine by other ids than these: get the newest goal state, then run again.
    pub stale: Option<HostIds>,
    /// The channel that served last: the first one next time.
    pub channel: Channel,
}

/// Gets what `ext/wanted.json` lists and isn't there. Takes minutes where storage is slow: run it in a thread.
///
/// `refreshed`: the ids that a run before this called stale, if the goal state was fetched again because of that.
/// Where they are still the same, a package that only they keep away is answered as failed.
pub fn run(
    work: Work<'_>,
    channel: Channel,
    refreshed: Option<&HostIds>,
    clock: &mut dyn Pause,
) -> Result<Report> {
    let mut report = Report { ready: 0, failed: 0, left: 0, stale: None, channel };
    let store = PackageStore::new(work.root);
    let wanted = Document::<Wanted>::read_if_there(work.root)?;
    let listed = wanted.as_ref().map_or(&[][..], |wanted| wanted.body.packages.as_slice());
    store.sweep(listed)?;
    let Some(wanted) = &wanted else { return Ok(report) };
    let open: Vec<&WantedPackage> =
        listed.iter().filter(|package| !store.has_answer(package, &wanted.body.goal_state_id)).collect();
    if open.is_empty() {
        return Ok(report);
    }
    report.left = open.len();
    let (Some(goal_state), Some(uris)) =
        (Document::<GoalState>::read_if_there(work.root)?, Document::<Uris>::read_if_there(work.root)?)
    else {
        return Ok(report);
    };
    let goal_state = goal_state.body;
    let ids = HostIds {
        container_id: goal_state.container_id.clone(),
        config_name: goal_state.config_name.clone(),
    };
    let fast_track = goal_state.source == GoalStateSource::FastTrack;
    let mut errand = DownloadRun {
        work,
        store,
        goal_state_id: &wanted.body.goal_state_id,
        goal_state: &goal_state,
        uris: &uris.body,
        storage: Storage::new(work.root),
        plugin: Plugin::new(work.client, &ids, fast_track),
        ids_are_newest: refreshed == Some(&ids),
        is_stale: false,
        clock,
        report,
    };
    // A package whose storage is slow to come round mustn't hold up the others: second tries come last.
    let later = errand.pass(&open, Pass::First)?;
    errand.pass(&later, Pass::Last)?;
    let DownloadRun { mut report, is_stale, .. } = errand;
    report.stale = is_stale.then_some(ids);
    Ok(report)
}

/// One run over the list.
struct DownloadRun<'a> {
    work: Work<'a>,
    store: PackageStore,
    goal_state_id: &'a str,
    goal_state: &'a GoalState,
    uris: &'a Uris,
    storage: Storage,
    plugin: Plugin<'a>,
    ids_are_newest: bool,
    is_stale: bool,
    clock: &'a mut dyn Pause,
    report: Report,
}

/// A way through the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Last,
}

impl Pass {
    /// How often each place is tried: six times in all.
    fn channels(self) -> u32 {
        if self == Self::First { 1 } else { DEFAULT.attempts - 1 }
    }
}

/// What a package came to, besides being there.
enum Outcome {
    Ready(Downloaded, StorageUri, Channel),
    NoMatch,
    NoUri,
    Failed(DownloadFailure),
}

impl DownloadRun<'_> {
    /// Goes through a list, and gives back what may do better later.
    fn pass<'b>(&mut self, list: &[&'b WantedPackage], pass: Pass) -> Result<Vec<&'b WantedPackage>> {
        let mut later = Vec::new();
        for package in list {
            let known = self.uris.extensions.iter().find(|known| {
                known.name == package.name && known.version.as_str() == package.version.as_str()
            });
            let outcome = match known {
                // The list is of another goal state than ours: waagent-ext is about to write it anew.
                None if self.uris.goal_state_id != self.goal_state_id => continue,
                None => Outcome::NoUri,
                Some(known) => {
                    self.get(package, &known.manifests, pass.channels()).unwrap_or_else(Outcome::Failed)
                }
            };
            match outcome {
                Outcome::Failed(DownloadFailure { cure: Cure::Later(_), .. }) if pass == Pass::First => {
                    later.push(*package);
                }
                Outcome::Failed(DownloadFailure { cure: Cure::NextRun, .. }) => return Ok(Vec::new()),
                Outcome::Failed(DownloadFailure { cure: Cure::NewGoalState, text })
                    if !self.ids_are_newest =>
                {
                    log::verbose(&format!(
                        "package '{}' waits for the newest goal state: {text}",
                        package.name
                    ));
                    self.is_stale = true;
                }
                outcome => self.answer(package, outcome)?,
            }
        }
        Ok(later)
    }

    fn get(
        &mut self,
        package: &WantedPackage,
        manifests: &[String],
        channels: u32,
    ) -> Result<Outcome, DownloadFailure> {
        let allow_http = self.work.settings.allow_http;
        let manifests: Vec<StorageUri> =
            manifests.iter().filter_map(|uri| StorageUri::parse(uri, allow_http).ok()).collect();
        if manifests.is_empty() {
            return Ok(Outcome::NoUri);
        }
        let start = self.start(manifests.len(), channels);
        let (storage, plugin) = (&self.storage, &mut self.plugin);
        let (choice, manifest, channel) = search(&manifests, start, self.clock, |uri, channel| {
            let bytes = download::manifest(storage, plugin, uri, channel)?;
            manifest::choose(&bytes, &package.version, allow_http)
                .map_err(|why| DownloadFailure::lasting(uri, channel, format!("no manifest: {why}")))
        })
        .map_err(|failure| failure.of(&format!("Failed to get ext handler pkgs of {}", package.name)))?;
        self.report.channel = channel;
        let places = match choice {
            Choice::Package(places) => places,
            Choice::NoMatch => return Ok(Outcome::NoMatch),
            Choice::NoUri => return Ok(Outcome::NoUri),
        };
        let start = self.start(places.len(), channels);
        let (storage, plugin) = (&self.storage, &mut self.plugin);
        let into = Download { store: &self.store, max: self.work.settings.max_package, manifest: &manifest };
        let (got, uri, channel) =
            search(&places, start, self.clock, |uri, channel| into.run(storage, plugin, uri, channel))
                .map_err(|failure| {
                    failure
                        .of(&format!("Failed to download {}-{} from all URIs", package.name, package.version))
                })?;
        self.report.channel = channel;
        Ok(Outcome::Ready(got, uri, channel))
    }

    fn start(&mut self, places: usize, channels: u32) -> Start {
        let bound = u32::try_from(places).unwrap_or(1).max(1);
        Start {
            index: usize::try_from(self.clock.random(bound)).unwrap_or(0),
            channel: self.report.channel,
            channels,
            deadline: Instant::now() + TIME,
        }
    }

    /// Puts the package in its place, and its document beside it.
    fn answer(&mut self, package: &WantedPackage, outcome: Outcome) -> Result<()> {
        let signed = self.goal_state.extensions.iter().find(|extension| extension.name == package.name);
        let mut body = Package {
            name: package.name.clone(),
            version: package.version.clone(),
            attempt: package.attempt,
            state: PackageState::Failed,
            uri: None,
            size: None,
            sha256: None,
            channel: None,
            signature: signed.and_then(|extension| extension.encoded_signature.clone()),
            error: None,
        };
        match outcome {
            Outcome::Ready(got, uri, channel) => {
                self.store.place(&got.part, package)?;
                body.state = PackageState::Ready;
                body.uri = Some(uri.public().to_owned());
                body.size = Some(got.size);
                body.sha256 = Some(got.sha256);
                body.channel = Some(channel);
            }
            Outcome::NoMatch => {
                body.state = PackageState::NoMatch;
                body.error = Some(format!(
                    "Unable to find version {} in manifest for extension {}",
                    package.version, package.name
                ));
            }
            Outcome::NoUri => {
                body.state = PackageState::NoUri;
                body.error = Some(format!("No package uri found for {}-{}", package.name, package.version));
            }
            Outcome::Failed(failure) => body.error = Some(failure.text),
        }
        let inputs = Inputs::new().digest("goal-state-id", &sha256(self.goal_state_id.as_bytes()));
        self.store.write(&body, &inputs, self.work.sandbox)?;
        self.tell(&body);
        Ok(())
    }

    fn tell(&mut self, body: &Package) {
        self.report.left = self.report.left.saturating_sub(1);
        let stem = Package::stem(&body.name, &body.version);
        match (&body.error, body.size, &body.channel) {
            (None, Some(size), Some(channel)) => {
                self.report.ready += 1;
                log::info(&format!("fetched package '{stem}', {} KiB, {channel}", size.div_ceil(1024)));
            }
            (error, ..) => {
                self.report.failed += 1;
                log::error(&format!("no package '{stem}': {}", error.as_deref().unwrap_or_default()));
            }
        }
    }
}

/// All places of one manifest or package together.
const TIME: Duration = Duration::from_secs(300);
