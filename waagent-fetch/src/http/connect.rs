//! Where connections to storage and proxy come from.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::sockopt::SocketError;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, getsockopt, socket};
use ureq::Error;
use ureq::config::Config;
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, LazyBuffers, Transport};
use waagent_common::wait;

use super::transport::SocketTransport;

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

fn buffers(config: &Config) -> LazyBuffers {
    LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size())
}

/// Longest wait for storage to take a connection.
const CONNECT: Duration = Duration::from_secs(10);
