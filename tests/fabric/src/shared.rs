//! The platform as the threads share it: one request at a time is answered and taken down.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fault::Act;
use crate::http::{Request, Response};
use crate::platform::Platform;
use crate::record::Exchange;
use crate::route::{Listener, Route};
use crate::until::Until;

/// The platform, shared by the threads.
#[derive(Debug)]
pub struct Shared {
    platform: Mutex<Platform>,
    /// Told after every request.
    pub changed: Condvar,
    state: Option<PathBuf>,
    stopped: AtomicBool,
}

impl Shared {
    /// A platform that nobody has asked yet; `state` keeps its record.
    pub fn new(platform: Platform, state: Option<PathBuf>) -> Self {
        Self {
            platform: Mutex::new(platform),
            changed: Condvar::new(),
            state,
            stopped: AtomicBool::new(false),
        }
    }

    /// The platform, for this thread alone.
    pub fn lock(&self) -> MutexGuard<'_, Platform> {
        self.platform.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all waiting.
    pub fn stop(&self) {
        let platform = self.lock();
        self.stopped.store(true, Ordering::Relaxed);
        drop(platform);
        self.changed.notify_all();
    }

    /// Answers a request to the platform and takes it down. The answer is on record before the client has it.
    pub fn answer(&self, listener: Listener, uid: Option<u32>, request: &Request) -> (Response, Option<Act>) {
        let mut platform = self.lock();
        let route = Route::of(listener, request);
        let act = platform.faults.due(route, &request.target);
        let guarded = matches!(listener, Listener::WireServer | Listener::HostPlugin);
        let refused = guarded && platform.scenario.require_uid0_opener && uid != Some(0);
        let mut response = match &act {
            _ if refused => {
                let opener = uid.map_or("an unknown uid".to_owned(), |uid| format!("uid {uid}"));
                Response::refused(403, format!("opened by {opener}, not by uid 0"))
            }
            Some(Act::ResetBefore) => Response::empty(0),
            Some(Act::Status { code, retry_after, text }) => failing(*code, *retry_after, text.as_deref()),
            _ => platform.answer(listener, route, request),
        };
        match &act {
            Some(Act::Body { text }) => response.body = text.clone().into_bytes(),
            Some(Act::Header { name, value }) => response.headers.push((name.clone(), value.clone())),
            _ => {}
        }
        platform.record.exchange(Exchange {
            status: response.status,
            fault: act.as_ref().map(|act| act.name().to_owned()),
            note: response.note.clone(),
            ..Exchange::of(listener, route, request, uid)
        });
        if let Err(error) = platform.move_on_if_due() {
            platform.record.complaint(format!("cannot go to the next goal state: {error:#}"));
        }
        drop(platform);
        self.changed.notify_all();
        (response, act)
    }

    /// Takes a connection's bad end down.
    pub fn complain(&self, listener: Listener, text: &str) {
        self.lock().record.complaint(format!("{listener:?}: {text}"));
    }

    /// Goes to the scenario's next goal state.
    pub fn next_goal_state(&self) -> Result<bool> {
        let moved = self.lock().move_on();
        self.changed.notify_all();
        moved
    }

    /// Waits for a condition; false: not met in time, or the fabric stops.
    pub fn wait(&self, until: &Until, timeout: Duration) -> bool {
        let unmet = |platform: &mut Platform| !self.stopped.load(Ordering::Relaxed) && !platform.meets(until);
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, unmet);
        waited.unwrap_or_else(PoisonError::into_inner).0.meets(until)
    }

    /// Writes `record.json`, by a temporary file.
    pub fn save_record(&self) -> Result<()> {
        let Some(state) = &self.state else { return Ok(()) };
        let text = serde_json::to_string_pretty(&self.lock().record)?;
        let (new, path) = (state.join("record.json.new"), state.join("record.json"));
        replace(&new, &path, &text).with_context(|| format!("cannot write '{}'", path.display()))
    }
}

fn replace(new: &Path, path: &Path, text: &str) -> Result<()> {
    std::fs::write(new, text)?;
    Ok(std::fs::rename(new, path)?)
}

fn failing(code: u16, retry_after: Option<u64>, text: Option<&str>) -> Response {
    let response = Response::refused(code, text.unwrap_or("fault of the scenario"));
    match retry_after {
        Some(seconds) => response.with("Retry-After", seconds.to_string()),
        None => response,
    }
}
