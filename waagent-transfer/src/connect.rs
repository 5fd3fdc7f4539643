//! Connections to storage, or to the proxy before it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::sockopt::SocketError;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket};
use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, Transport};
use waagent_http::{Caller, SocketTransport, buffers};

/// Opens them for one caller at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageConnector {
    /// Who waits for what comes by them.
    pub(crate) caller: Caller,
    /// Counts them, so that a fresh one can be told from one that was kept.
    pub(crate) opened: Arc<AtomicU64>,
}

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
        self.opened.fetch_add(1, Ordering::Relaxed);
        let limit = details.timeout.not_zero().map_or(CONNECT, |left| (*left).min(CONNECT));
        let mut last = Error::HostNotFound;
        for address in &details.addrs {
            match self.connect_within(*address, limit) {
                Ok(stream) => {
                    let transport = SocketTransport::new(stream, buffers(details.config))?;
                    return Ok(Some(Either::B(transport.for_caller(&self.caller))));
                }
                Err(error) => last = Error::Io(error),
            }
        }
        Err(last)
    }
}

impl StorageConnector {
    /// A non-blocking connect, waited for by poll(2): `TcpStream::connect_timeout` needs an `ioctl`.
    fn connect_within(&self, address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket: OwnedFd = socket(family, SockType::Stream, flags, None)?;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(address)) {
            Ok(()) => {}
            Err(Errno::EINPROGRESS) => self.await_connected(&socket, limit)?,
            Err(error) => return Err(error.into()),
        }
        Ok(TcpStream::from(socket))
    }

    fn await_connected(&self, socket: &OwnedFd, limit: Duration) -> io::Result<()> {
        if !self.caller.wait(socket.as_fd(), PollFlags::POLLOUT, Some(limit))? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match getsockopt(socket, SocketError)? {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Longest wait for storage to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
