//! Listeners and the threads behind them: one a connection, all gone when the fabric stops.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::connection::{self, Door};
use crate::connections::{Connections, Leave};

/// A bound socket with its thread.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
    connections: Arc<Connections>,
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
