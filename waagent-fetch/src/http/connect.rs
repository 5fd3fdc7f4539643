//! Where connections come from: the gate for the platform, `connect(2)` for storage and proxy.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::sockopt::SocketError;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, NextTimeout, Transport};
use waagent_common::gate::client::socket_to;
use waagent_common::gate::protocol::{IMDS, Target};
use waagent_common::root::Root;
use waagent_common::wait;

use waagent_http::{SocketTransport, buffers};

/// Connections to the platform: only ever those that the gate hands over.
#[derive(Debug)]
pub struct GateConnector {
    root: Root,
    opened: Arc<AtomicU64>,
}

impl GateConnector {
    /// `opened` counts the connections, so that the caller can tell a fresh one from one that was kept.
    pub fn new(root: Root, opened: Arc<AtomicU64>) -> Self {
        Self { root, opened }
    }
}

impl Connector<()> for GateConnector {
    type Out = SocketTransport;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<SocketTransport>, Error> {
        let stream =
            socket_to(&self.root, target_of(details.uri)).map_err(|error| Error::Other(Box::new(error)))?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        SocketTransport::new(stream, buffers(details.config)).map(Some)
    }
}

fn target_of(uri: &Uri) -> Target {
    match (uri.host(), uri.port_u16()) {
        (Some(host), _) if host.parse() == Ok(IMDS) => Target::Imds,
        (_, Some(port)) if port == Target::HostGaPlugin.port() => Target::HostGaPlugin,
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

/// Connections to storage, or to the proxy before it.
#[derive(Debug)]
pub struct StorageConnector;

impl<In: Transport> Connector<In> for StorageConnector {
    type Out = Either<In, SocketTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        if let Some(through_the_proxy) = chained {
            return Ok(Some(Either::A(through_the_proxy)));
        }
        let limit = details.timeout.not_zero().map_or(CONNECT, |left| (*left).min(CONNECT));
        let mut last = Error::HostNotFound;
        for address in &details.addrs {
            match connect_within(*address, limit) {
                Ok(stream) => {
                    let transport = SocketTransport::new(stream, buffers(details.config))?;
                    return Ok(Some(Either::B(transport)));
                }
                Err(error) => last = Error::Io(error),
            }
        }
        Err(last)
    }
}

/// A non-blocking connect, waited for by poll(2): `TcpStream::connect_timeout` needs an `ioctl`.
fn connect_within(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket: OwnedFd = socket(family, SockType::Stream, flags, None)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS) => await_connected(&socket, limit)?,
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from(socket))
}

fn await_connected(socket: &OwnedFd, limit: Duration) -> io::Result<()> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
    if !wait::ready(&mut fds, Some(limit))? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    match getsockopt(socket, SocketError)? {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Longest wait for storage to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
