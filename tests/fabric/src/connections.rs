//! The connections of a listener: bounded in number, and ended together.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The open connections of one listener.
#[derive(Debug, Default)]
pub struct Connections {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    running: usize,
    next: u64,
    streams: BTreeMap<u64, TcpStream>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a free place; `None` when stopped.
    pub(crate) fn enter(&self, stream: &TcpStream) -> Option<u64> {
        let full = |state: &mut State| !state.stopped && state.running >= CONNECTIONS;
        let mut state = self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return None;
        }
        let id = state.next;
        state.next += 1;
        state.running += 1;
        if let Ok(stream) = stream.try_clone() {
            state.streams.insert(id, stream);
        }
        Some(id)
    }

    /// Gives a place back.
    pub(crate) fn leave(&self, id: u64) {
        let mut state = self.lock();
        state.streams.remove(&id);
        state.running -= 1;
        self.changed.notify_all();
    }

    /// Ends all, and lets no more in.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for stream in state.streams.values() {
            // Already closed by the client is as good.
            drop(stream.shutdown(Shutdown::Both));
        }
        self.changed.notify_all();
    }

    /// Until all have ended, five seconds at the most.
    pub(crate) fn wait_for_end(&self) {
        let limit = Duration::from_secs(5);
        drop(self.changed.wait_timeout_while(self.lock(), limit, |state| state.running > 0));
    }
}

/// The place of one connection; given back when dropped.
pub struct Leave<'a> {
    /// Of its listener.
    pub(crate) connections: &'a Connections,
    /// Which of them.
    pub(crate) id: u64,
}

impl Leave<'_> {
    /// Lets go of the second handle on the socket, so that closing the first one ends the connection.
    pub fn forget_stream(&self) {
        self.connections.lock().streams.remove(&self.id);
    }

    /// Sleeps, but not longer than the listener lives. False: stopped.
    pub fn sleep(&self, time: Duration) -> bool {
        let guard = self.connections.lock();
        let waited = self.connections.changed.wait_timeout_while(guard, time, |state| !state.stopped);
        !waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.connections.leave(self.id);
    }
}

/// Threads a listener may have at once; more clients wait in the backlog.
const CONNECTIONS: usize = 64;
