//! Listeners and the threads behind them: one a connection, bounded in number, all gone when the fabric stops.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use openssl::ssl::SslAcceptor;

use crate::connection;
use crate::fabric::Shared;
use crate::route::Listener;

/// A bound socket with its thread.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
    connections: Arc<Connections>,
}

/// Everything a connection's thread needs to know.
#[derive(Clone)]
pub struct Door {
    /// Who listens.
    pub listener: Listener,
    /// TLS, for storage by https.
    pub tls: Option<SslAcceptor>,
    /// The platform.
    pub shared: Arc<Shared>,
}

impl Service {
    /// Serves a bound listener until it is dropped.
    pub fn start(listener: TcpListener, door: Door) -> Result<Self> {
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections::default());
        let accepting = Arc::clone(&connections);
        let thread = Builder::new()
            .name(format!("{:?}", door.listener))
            .spawn(move || accept(&listener, &door, &accepting))
            .context("cannot start a thread")?;
        Ok(Self { address, thread: Some(thread), connections })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.connections.stop();
        // Wakes `accept`; whether the connection succeeds doesn't matter.
        drop(TcpStream::connect_timeout(&self.address, Duration::from_secs(1)));
        if let Some(thread) = self.thread.take() {
            // A panicked thread has said so on standard error.
            drop(thread.join());
        }
        self.connections.wait_for_end();
    }
}

fn accept(listener: &TcpListener, door: &Door, connections: &Arc<Connections>) {
    while let Ok((stream, peer)) = listener.accept() {
        let Some(id) = connections.enter(&stream) else { return };
        let (door, entered) = (door.clone(), Arc::clone(connections));
        let thread = Builder::new().spawn(move || {
            let leave = Leave { connections: &entered, id };
            connection::serve(stream, peer, &door, &leave);
        });
        if thread.is_err() {
            connections.leave(id);
        }
    }
}

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
    fn enter(&self, stream: &TcpStream) -> Option<u64> {
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

    fn leave(&self, id: u64) {
        let mut state = self.lock();
        state.streams.remove(&id);
        state.running -= 1;
        self.changed.notify_all();
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        for stream in state.streams.values() {
            // Already closed by the client is as good.
            drop(stream.shutdown(Shutdown::Both));
        }
        self.changed.notify_all();
    }

    fn wait_for_end(&self) {
        let limit = Duration::from_secs(5);
        drop(self.changed.wait_timeout_while(self.lock(), limit, |state| state.running > 0));
    }
}

/// The place of one connection; given back when dropped.
pub struct Leave<'a> {
    connections: &'a Connections,
    id: u64,
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
