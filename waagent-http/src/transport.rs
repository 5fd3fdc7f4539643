//! One TCP connection as the HTTP library wants it.

use std::io;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

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
}

impl SocketTransport {
    /// Takes over a connected socket. Head and body of a request are written one after the other: without
    /// `TCP_NODELAY` the second waits for the first one's delayed acknowledgement.
    pub fn new(socket: TcpStream, buffers: LazyBuffers) -> Result<Self, Error> {
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffers })
    }

    fn wait(&self, events: PollFlags, timeout: NextTimeout) -> Result<(), Error> {
        let mut fds = [PollFd::new(self.socket.as_fd(), events)];
        match wait::ready(&mut fds, timeout.not_zero().map(|left| *left)) {
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
