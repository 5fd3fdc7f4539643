//! The resident program: one loop that waits for documents, workers and time.
//!
//! Polls of the platform are made here; what can take minutes (packages, an upload to slow storage) is a thread's
//! work for as long as it lasts. An idle machine wakes for its polls and for nothing else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sys::eventfd::EventFd;
use waagent_common::config::{IntegerKey, SwitchKey};
use waagent_common::durable;
use waagent_common::fault::Outcome;
use waagent_common::log;
use waagent_common::sys::heap;
use waagent_common::{program, resident};

use crate::clock::{Clock, monotonic, random};
use crate::fetcher::{Cure, remember};
use crate::packages::{self, Work};
use crate::plugin::HostIds;
use crate::republish::Republish;
use crate::session::Session;
use crate::status::{Next, Sent, Upload, send};
use crate::wakeup::{Events, Folder, Wakeup};

/// Runs until SIGTERM.
pub fn run(session: Session) -> Result<Outcome> {
    resident::begin()?;
    let mut events = Events::new(&session.fetcher.root)?;
    let process = std::process::id().to_string();
    durable::write(&session.fetcher.root.runtime_path("fetch/waagent.pid"), process.as_bytes(), 0o644)?;
    resident::sign();
    let mut fetcher = Resident::new(session, events.waker());
    fetcher.session.fetcher.be_patient();
    loop {
        if let Some(outdated) = fetcher.outdated() {
            return Ok(outdated);
        }
        fetcher.work();
        resident::sign();
        let heard = events.wait(fetcher.next().saturating_sub(monotonic()))?;
        if resident::must_end() {
            return Ok(resident::stopped());
        }
        fetcher.hear(&heard);
    }
}

struct Resident {
    session: Session,
    waker: Arc<EventFd>,
    started: Duration,
    poll_at: Duration,
    republish: Republish,
    compare: bool,
    packages: Packages,
    uploading: bool,
    reports: (Sender<Report>, Receiver<Report>),
}

/// What a worker came to.
enum Report {
    Packages(Result<packages::Report>),
    Status(Box<Upload>, Sent),
}

#[derive(Default)]
struct Packages {
    running: bool,
    /// `wanted.json` or the goal state has changed since the last run began.
    due: bool,
    again_at: Option<Duration>,
    /// Ids that the host didn't know; the next poll brings others, or the same.
    stale: Option<HostIds>,
}

impl Resident {
    fn new(session: Session, waker: Arc<EventFd>) -> Self {
        let now = monotonic();
        Self {
            session,
            waker,
            started: now,
            poll_at: now,
            republish: Republish::new(),
            compare: true,
            packages: Packages { due: true, ..Packages::default() },
            uploading: false,
            reports: channel(),
        }
    }

    /// Is it time to begin anew? What threads have begun is brought to its end first.
    fn outdated(&self) -> Option<Outcome> {
        if self.uploading || self.packages.running {
            return None;
        }
        program::outdated(&self.session.fetcher.sandbox)
    }

    /// Everything that is due.
    fn work(&mut self) {
        if monotonic() >= self.next_poll() {
            self.poll();
        }
        self.upload();
        self.fetch_packages();
        if self.compare || monotonic() >= self.republish.next() {
            self.compare = false;
            if let Err(fault) = self.republish.look(&self.session.fetcher.root, monotonic()) {
                log::error(&fault.text);
            }
        }
    }

    fn next(&self) -> Duration {
        let upload = if self.uploading { Duration::MAX } else { self.session.uploader.next() };
        let packages = self.packages.again_at.filter(|_| !self.packages.running).unwrap_or(Duration::MAX);
        [self.next_poll(), upload, packages, self.republish.next()].into_iter().min().unwrap_or(self.poll_at)
    }

    /// Whatever asks for a poll: a platform that throttles is left alone.
    fn next_poll(&self) -> Duration {
        self.poll_at.max(self.session.fetcher.backoff.until())
    }

    fn poll(&mut self) {
        let result = self.session.poll();
        if let Ok(poll) = &result {
            if poll.changed {
                self.compare = true;
                self.packages.due = true;
                heap::trim();
            }
            // What waited for the newest ids goes on.
            self.packages.due |= self.packages.stale.is_some();
        }
        self.compare |= std::mem::take(&mut self.session.fetcher.wants);
        self.poll_at = monotonic() + self.period(result.is_err());
    }

    /// Until the next poll.
    fn period(&self, failed: bool) -> Duration {
        let config = &self.session.fetcher.config;
        if failed && monotonic().saturating_sub(self.started) < IMPATIENT {
            return Duration::from_secs(1);
        }
        let is_first = !self.session.fetcher.root.state_path("ext/initial_goal_state").exists();
        let key = if is_first {
            IntegerKey::ExtensionsInitialGoalStatePeriod
        } else {
            IntegerKey::ExtensionsGoalStatePeriod
        };
        let mut period = Duration::from_secs(config.integer(key));
        if !config.switch(SwitchKey::ExtensionsEnabled) {
            period = period.max(SLOW);
        }
        if self.session.reporter.is_unsent() {
            period = period.min(UNSENT);
        }
        // Many machines start at the same moment: they mustn't ask at the same one for ever.
        period + period * random(5) / 100
    }

    fn upload(&mut self) {
        if self.uploading {
            return;
        }
        let fast_track = self.session.fetcher.offers_fast_track().unwrap_or(false);
        let Some(upload) = self.session.uploader.prepare(fast_track, monotonic()) else { return };
        let fetcher = &self.session.fetcher;
        let (root, client, settings) =
            (fetcher.root.clone(), fetcher.client.clone(), fetcher.settings.clone());
        self.uploading = self.start("status", move || {
            let sent = send(&root, &client, &settings, &upload);
            Report::Status(Box::new(upload), sent)
        });
    }

    fn fetch_packages(&mut self) {
        let is_time = self.packages.again_at.is_some_and(|at| monotonic() >= at);
        if self.packages.running
            || !(self.packages.due || is_time)
            || self.session.fetcher.current().is_none()
        {
            return;
        }
        let refreshed = self.packages.stale.take();
        self.packages = Packages { running: true, ..Packages::default() };
        // Nearly always there is nothing to fetch: that isn't worth a thread.
        if !self.session.fetcher.root.state_path("ext/wanted.json").exists() {
            self.packages.running = false;
            return;
        }
        let fetcher = &self.session.fetcher;
        let (root, sandbox) = (fetcher.root.clone(), fetcher.sandbox.clone());
        let (client, settings, by) = (fetcher.client.clone(), fetcher.settings.clone(), self.session.channel);
        self.packages.running = self.start("packages", move || {
            let work = Work { root: &root, sandbox: &sandbox, client: &client, settings: &settings };
            Report::Packages(packages::run(work, by, refreshed.as_ref(), &mut Clock))
        });
    }

    fn start(&self, name: &str, work: impl FnOnce() -> Report + Send + 'static) -> bool {
        let (sender, waker) = (self.reports.0.clone(), Arc::clone(&self.waker));
        let started = thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || {
            // Nobody is there to hear it when the program ends.
            let _unheard = sender.send(work());
            let _unheard = waker.write(1);
        });
        if let Err(error) = &started {
            log::error(&format!("cannot start a thread for {name}: {error}"));
        }
        started.is_ok()
    }

    fn hear(&mut self, heard: &Wakeup) {
        while let Ok(report) = self.reports.1.try_recv() {
            self.take(report);
        }
        if heard.overflow {
            for folder in [Folder::Certs, Folder::Ext, Folder::Net, Folder::Provision] {
                self.changed(folder, "");
            }
        }
        for (folder, name) in &heard.changed {
            self.changed(*folder, name);
        }
    }

    /// A document of another program was put in place; an empty name is any of them.
    fn changed(&mut self, folder: Folder, name: &str) {
        let is = |document: &str| name.is_empty() || name == document;
        match folder {
            Folder::Certs if is("transport.json") || is("certificates.json") => {
                self.session.fetcher.look_at_certificates();
                self.compare = true;
                self.after_certificates();
            }
            Folder::Ext if is("wanted.json") => self.packages.due = true,
            Folder::Ext if is("status.json") => {
                self.session.uploader.doubt();
                self.compare = true;
            }
            Folder::Net if is("endpoint.json") => {
                self.session.fetcher.follow_endpoint();
                self.poll_at = monotonic();
            }
            Folder::Provision if is("status.json") => {
                self.session.reporter.doubt();
                self.session.uploader.doubt();
                self.poll_at = monotonic();
            }
            Folder::Failed => {
                self.session.reporter.doubt();
                self.poll_at = monotonic();
            }
            _ => return,
        }
        if name.is_empty() {
            self.packages.due = true;
            self.session.uploader.doubt();
        }
        crate::failure_note::forget(&self.session.fetcher.root, folder);
    }

    fn after_certificates(&mut self) {
        match self.session.fetcher.missing_certificate() {
            Cure::None => self.poll_at = monotonic(),
            Cure::Now => {
                self.session.fetcher.refresh();
                self.poll_at = monotonic();
            }
            Cure::Later => {
                self.session.fetcher.refresh();
                self.poll_at = monotonic() + self.period(false);
            }
        }
    }

    fn take(&mut self, report: Report) {
        match report {
            Report::Status(upload, sent) => {
                self.uploading = false;
                if self.session.uploader.note(&upload, &sent, monotonic(), random(41)) == Next::NewGoalState {
                    self.session.fetcher.refresh();
                    self.poll_at = monotonic();
                }
            }
            Report::Packages(Ok(report)) => {
                self.packages.running = false;
                self.take_packages(report);
            }
            Report::Packages(Err(error)) => {
                self.packages.running = false;
                self.packages.again_at = Some(monotonic() + PACKAGES_AGAIN);
                log::error(&format!("{error:#}"));
            }
        }
        heap::trim();
    }

    fn take_packages(&mut self, report: packages::Report) {
        if report.left > 0 {
            self.packages.again_at = Some(monotonic() + PACKAGES_AGAIN);
        }
        if report.stale.is_some() {
            self.packages.stale = report.stale;
            self.session.fetcher.refresh();
            self.poll_at = monotonic();
        }
        if self.session.channel != report.channel {
            self.session.channel = report.channel;
            let fetcher = &self.session.fetcher;
            let remembered = remember(&fetcher.root, &fetcher.sandbox, |cursor| {
                cursor.download_channel = Some(report.channel);
            });
            if let Err(fault) = remembered {
                log::error(&fault.text);
            }
        }
    }
}

/// While the first goal state is still missing, a failed poll is repeated after a second for so long.
const IMPATIENT: Duration = Duration::from_secs(30);
/// With `Extensions.Enabled=n`.
const SLOW: Duration = Duration::from_secs(300);
/// While the platform doesn't know how provisioning went.
const UNSENT: Duration = Duration::from_secs(5);
/// Packages that couldn't be had are looked at again.
const PACKAGES_AGAIN: Duration = Duration::from_secs(60);
/// Of a worker, in bytes: an exchange and a manifest fit with room to spare.
const STACK: usize = 512 << 10;
