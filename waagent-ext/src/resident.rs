//! The resident program: sleeps until something changes.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use waagent_common::documents::Written;
use waagent_common::fault::{Exit, Outcome, exit_of};
use waagent_common::log;
use waagent_common::program;
use waagent_common::resident;
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;

use crate::engine::{Engine, WaitReason};
use crate::report_pace::ReportPace;
use crate::wakeup::{Changes, Watch};

/// Changes of status files are gathered for so long: handlers write several at a time.
const GATHER: Duration = Duration::from_millis(50);
/// After an error of our own (a full disk) the work is tried again after this, or when something changes.
const RETRY: Duration = Duration::from_secs(60);
/// What others write on their own is bounded so often, however much changes meanwhile.
const HOUSEKEEPING: Duration = Duration::from_secs(120);
/// So often it looks whether its files and its configuration are the same, if nothing else wakes it.
const LOOK: Duration = Duration::from_secs(60);

/// Works until SIGTERM.
pub fn serve(engine: Engine<'_>, root: &Root, sandbox: &Sandbox) -> Result<Outcome> {
    let mut service = Service {
        engine,
        watch: Watch::new(root)?,
        report_pace: ReportPace::new(Instant::now()),
        report: Some(Instant::now()),
        house: Instant::now(),
        said: String::new(),
    };
    // What has changed while it wasn't there is looked at, too.
    let mut changes = Changes { documents: true, results: true, statuses: false };
    loop {
        // What commands have begun goes on without us.
        if let Some(outdated) = program::outdated(sandbox) {
            return Ok(outdated);
        }
        let pause = service.turn(changes)?;
        resident::sign();
        if !resident::must_end() {
            resident::sleep(&[service.watch.as_fd()], pause)?;
        }
        if resident::must_end() {
            return Ok(resident::stopped());
        }
        changes = service.watch.changes()?;
    }
}

struct Service<'a> {
    engine: Engine<'a>,
    watch: Watch,
    report_pace: ReportPace,
    /// When the report is to be looked at.
    report: Option<Instant>,
    /// When the house is to be kept.
    house: Instant,
    said: String,
}

impl Service<'_> {
    /// A turn of the loop; says how long there is nothing to do.
    fn turn(&mut self, changes: Changes) -> Result<Option<Duration>> {
        if changes.documents {
            self.engine.refresh();
            self.engine.link_certificates();
        }
        if changes.statuses {
            self.report_within(GATHER);
        }
        if Instant::now() >= self.house {
            self.engine.enforce_limits();
            self.house = Instant::now() + HOUSEKEEPING;
        }
        let (rest, mut pause) = match self.engine.advance() {
            Ok(rest) => {
                let pause = pause_of(&rest);
                (rest, pause)
            }
            Err(error) if exit_of(&error) == Exit::TryAgain => return Err(error),
            Err(error) => {
                self.say(&format!("{error:#}, trying again"));
                (WaitReason::Idle(String::new()), Some(RETRY))
            }
        };
        if changes.documents || changes.results {
            self.report_within(Duration::ZERO);
        }
        sooner(&mut pause, self.publish(&rest));
        sooner(&mut pause, Some(LOOK));
        Ok(pause)
    }

    /// Writes the report if it is time to; says when it will be.
    fn publish(&mut self, rest: &WaitReason) -> Option<Duration> {
        let now = Instant::now();
        let due = self.report?.saturating_duration_since(now);
        let wait = due.max(self.report_pace.wait(
            now,
            matches!(rest, WaitReason::Command(_) | WaitReason::Start(..)) && !self.engine.is_new(),
        ));
        if !wait.is_zero() {
            return Some(wait);
        }
        self.report = None;
        // Watched first, then looked at: no change is lost between.
        self.watch.follow(&self.engine.watched());
        match self.engine.publish() {
            Ok((written, again)) => {
                if written == Written::Changed {
                    self.report_pace.wrote(now);
                }
                self.report = again.and_then(|again| now.checked_add(again));
                again
            }
            Err(error) => {
                self.say(&format!("{error:#}, trying again"));
                self.report = now.checked_add(RETRY);
                Some(RETRY)
            }
        }
    }

    fn report_within(&mut self, time: Duration) {
        let at = Instant::now() + time;
        self.report = Some(self.report.map_or(at, |planned| planned.min(at)));
    }

    /// An error is said once, not each time that it is met.
    fn say(&mut self, text: &str) {
        if self.said != text {
            log::error(text);
            text.clone_into(&mut self.said);
        }
    }
}

fn pause_of(rest: &WaitReason) -> Option<Duration> {
    match rest {
        WaitReason::Certificate(_, left) | WaitReason::Dependency(_, left) | WaitReason::Start(_, left) => {
            Some(*left)
        }
        _ => None,
    }
}

fn sooner(pause: &mut Option<Duration>, other: Option<Duration>) {
    *pause = match (*pause, other) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    };
}
