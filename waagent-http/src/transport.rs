//! One TCP connection as the HTTP library wants it.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{MsgFlags, recv, send};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};
use waagent_common::wait;

/// A socket, whoever connected it. It is never switched to non-blocking mode (an `ioctl`): each call says so itself.
#[derive(Debug)]
pub struct SocketTransport {
    socket: TcpStream,
    buffers: LazyBuffers,
    caller: Caller,
}

/// For whom a transport is at work. Copies are of the same caller: connections that are kept know whose they are now.
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<Mutex<Option<OwnedFd>>>);

impl Caller {
    /// Somebody on this local stream, or nobody any more.
    pub fn set(&self, stream: Option<OwnedFd>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stream;
    }

    /// Waits for this socket; a caller who hangs up meanwhile ends that.
    pub fn wait(
        &self,
        socket: BorrowedFd<'_>,
        events: PollFlags,
        limit: Option<Duration>,
    ) -> nix::Result<bool> {
        let caller = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fds = vec![PollFd::new(socket, events)];
        // Without a flag: an end is told in any case.
        fds.extend(caller.as_ref().map(|caller| PollFd::new(caller.as_fd(), PollFlags::empty())));
        let is_ready = wait::ready(&mut fds, limit)?;
        match fds.get(1).and_then(PollFd::any) {
            Some(true) => Err(Errno::ECONNABORTED),
            _ => Ok(is_ready),
        }
    }
}

impl SocketTransport {
    /// Takes over a connected socket. Head and body of a request are written one after the other: without
    /// `TCP_NODELAY` the second waits for the first one's delayed acknowledgement.
    pub fn new(socket: TcpStream, buffers: LazyBuffers) -> Result<Self, Error> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffers, caller: Caller::default() })
    }

    /// For this caller.
    #[must_use]
    pub fn for_caller(mut self, caller: &Caller) -> Self {
        self.caller = caller.clone();
        self
    }

    fn wait(&self, events: PollFlags, timeout: NextTimeout) -> Result<(), Error> {
        match self.caller.wait(self.socket.as_fd(), events, timeout.not_zero().map(|left| *left)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Timeout(timeout.reason)),
            Err(error) => Err(io_error(error)),
        }
    }
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let mut sent = 0;
        while sent < amount {
            let Some(rest) = self.buffers.output().get(sent..amount) else {
                return Err(io_error(Errno::EINVAL));
            };
            match send(self.socket.as_raw_fd(), rest, flags) {
                Ok(length) => sent += length,
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, timeout.for_write())?,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        loop {
            self.wait(PollFlags::POLLIN, timeout.for_read())?;
            let space = self.buffers.input_append_buf();
            match recv(self.socket.as_raw_fd(), space, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => {
                    self.buffers.input_appended(length);
                    return Ok(length > 0);
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(io_error(error)),
            }
        }
    }

    /// Nothing to read means open: an end, an error or bytes that nobody asked for mean that it can't be used again.
    fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        matches!(recv(self.socket.as_raw_fd(), &mut byte, flags), Err(Errno::EAGAIN))
    }
}

fn io_error(error: Errno) -> Error {
    Error::Io(io::Error::from(error))
}
