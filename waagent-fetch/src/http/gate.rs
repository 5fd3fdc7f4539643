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
        Ok(Some(GateTransport {
            gate,
            target,
            is_heard: false,
            is_answered: false,
            has_come: false,
            buffers,
        }))
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
    /// The answer has come before the request was whole: the rest isn't sent.
    is_answered: bool,
    /// Something of it was taken while the request was sent, which the library doesn't know of.
    has_come: bool,
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

    /// Something can be read, or the gate has hung up: its word.
    fn hear(&mut self) -> Result<(), Error> {
        hear(self.gate.as_fd(), self.target).map_err(|error| Error::Other(Box::new(error)))?;
        self.is_heard = true;
        Ok(())
    }

    /// The same while the request is sent: its word, or something of an answer.
    fn interrupted(&mut self) -> Result<(), Error> {
        if !self.is_heard {
            return self.hear();
        }
        let is_more = match self.take() {
            Ok(length) => length != Some(0),
            // How it has ended, is for who reads it.
            Err(_) => false,
        };
        self.has_come = !self.buffers.input().is_empty();
        self.is_answered = !is_more || is_final(self.buffers.input());
        Ok(())
    }

    /// Takes what has come of the answer, if anything.
    fn take(&mut self) -> Result<Option<usize>, Errno> {
        let space = self.buffers.input_append_buf();
        match recv(self.gate.as_raw_fd(), space, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => {
                self.buffers.input_appended(length);
                Ok(Some(length))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The gate shuts down its side after a whole answer; if it has hung up, the answer was broken off.
    fn ended(&self) -> Result<bool, Error> {
        let mut fds = [PollFd::new(self.gate.as_fd(), PollFlags::empty())];
        match wait::ready(&mut fds, Some(std::time::Duration::ZERO)) {
            Ok(false) => Ok(false),
            Ok(true) => Err(broken_off()),
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
                        self.interrupted()?;
                    }
                }
                Err(Errno::EINTR) => {}
                // It has refused, or gone: why, is in what it sent before.
                Err(Errno::EPIPE | Errno::ECONNRESET) => self.interrupted()?,
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if std::mem::take(&mut self.has_come) {
            return Ok(true);
        }
        loop {
            self.wait(PollFlags::POLLIN, timeout.for_read())?;
            if !self.is_heard {
                self.hear()?;
                continue;
            }
            match self.take() {
                Ok(Some(0)) => return self.ended(),
                Ok(Some(_)) => return Ok(true),
                Ok(None) => {}
                // It has hung up before it had read everything.
                Err(Errno::ECONNRESET) => return Err(broken_off()),
                Err(error) => return Err(io_error(error)),
            }
        }
    }

    /// A stream is for one request.
    fn is_open(&mut self) -> bool {
        false
    }
}

/// Has an answer begun, and not only what comes before one (RFC 9110, 15.2)?
fn is_final(mut input: &[u8]) -> bool {
    const END: &[u8] = b"\r\n\r\n";
    while let Some(begin) = input.get(..b"HTTP/1.1 1".len()) {
        if !begin.starts_with(b"HTTP/1.") || !begin.ends_with(b" 1") {
            return true;
        }
        let end = input.windows(END.len()).position(|window| window == END);
        let Some(rest) = end.and_then(|end| input.get(end + END.len()..)) else { return false };
        input = rest;
    }
    false
}

/// Not as a reset: the library takes that for the end of an answer without a length.
fn broken_off() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::BrokenPipe, "the answer was broken off"))
}

fn io_error(error: Errno) -> Error {
    Error::Io(io::Error::from(error))
}
