//! The way to the platform: a stream to the gate for each request, and the gate's word before the answer.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, recv, send};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use waagent_common::gate::client::{hear, stream_to};
use waagent_common::gate::protocol::Target;
use waagent_common::root::Root;
use waagent_common::wait;

/// Requests to the platform: only ever by the gate.
#[derive(Debug)]
pub struct GateConnector {
    root: Root,
}

impl GateConnector {
    /// To the gate of this root.
    pub fn new(root: Root) -> Self {
        Self { root }
    }
}

impl Connector<()> for GateConnector {
    type Out = GateTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<GateTransport>, Error> {
        let target = target_of(details.uri);
        let gate = stream_to(&self.root, target).map_err(|error| Error::Other(Box::new(error)))?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(GateTransport { gate, target, is_heard: false, is_answered: false, buffers }))
    }
}

fn target_of(uri: &Uri) -> Target {
    match uri.port_u16() {
        Some(port) if port == Target::HostGaPlugin.port() => Target::HostGaPlugin,
        _ => Target::WireServer,
    }
}

/// The library wants an address before it connects; the gate knows the real one.
#[derive(Debug)]
pub struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        Ok(addresses)
    }
}

/// One request by the gate, as the HTTP library wants it.
#[derive(Debug)]
pub struct GateTransport {
    gate: OwnedFd,
    target: Target,
    /// The gate's word has come: it is connected.
    is_heard: bool,
    /// The answer has begun before the request was whole: the rest isn't sent.
    is_answered: bool,
    buffers: LazyBuffers,
}

impl GateTransport {
    /// What has happened of these.
    fn wait(&self, events: PollFlags, timeout: NextTimeout) -> Result<PollFlags, Error> {
        let mut fds = [PollFd::new(self.gate.as_fd(), events)];
        match wait::ready(&mut fds, timeout.not_zero().map(|left| *left)) {
            Ok(true) => Ok(fds.first().and_then(PollFd::revents).unwrap_or(PollFlags::empty())),
            Ok(false) => Err(Error::Timeout(timeout.reason)),
            Err(error) => Err(io_error(error)),
        }
    }

    /// Something can be read, or the gate has hung up: its word first, then the answer.
    fn heard(&mut self) -> Result<(), Error> {
        if self.is_heard {
            self.is_answered = true;
            return Ok(());
        }
        hear(self.gate.as_fd(), self.target).map_err(|error| Error::Other(Box::new(error)))?;
        self.is_heard = true;
        Ok(())
    }

    /// The gate shuts down its side after a whole answer; if it has hung up, the answer was broken off.
    fn ended(&self) -> Result<bool, Error> {
        let mut fds = [PollFd::new(self.gate.as_fd(), PollFlags::empty())];
        match wait::ready(&mut fds, Some(std::time::Duration::ZERO)) {
            Ok(false) => Ok(false),
            // Not as a reset: the library takes that for the end of an answer without a length.
            Ok(true) => {
                Err(Error::Io(io::Error::new(io::ErrorKind::BrokenPipe, "the answer was broken off")))
            }
            Err(error) => Err(io_error(error)),
        }
    }
}

impl Transport for GateTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let mut sent = 0;
        while sent < amount && !self.is_answered {
            let Some(rest) = self.buffers.output().get(sent..amount) else {
                return Err(io_error(Errno::EINVAL));
            };
            match send(self.gate.as_raw_fd(), rest, flags) {
                Ok(length) => sent += length,
                Err(Errno::EAGAIN) => {
                    let events = self.wait(PollFlags::POLLIN | PollFlags::POLLOUT, timeout.for_write())?;
                    if events.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
                        self.heard()?;
                    }
                }
                Err(Errno::EINTR) => {}
                // It has refused, or gone: why, is in what it sent before.
                Err(Errno::EPIPE | Errno::ECONNRESET) => self.heard()?,
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        loop {
            self.wait(PollFlags::POLLIN, timeout.for_read())?;
            if !self.is_heard {
                self.heard()?;
                continue;
            }
            let space = self.buffers.input_append_buf();
            match recv(self.gate.as_raw_fd(), space, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return self.ended(),
                Ok(length) => {
                    self.buffers.input_appended(length);
                    return Ok(true);
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(io_error(error)),
            }
        }
    }

    /// A stream is for one request.
    fn is_open(&mut self) -> bool {
        false
    }
}

fn io_error(error: Errno) -> Error {
    Error::Io(io::Error::from(error))
}
