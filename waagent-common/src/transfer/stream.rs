//! A local stream on which nothing takes longer than it may, and the frames on it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{json, wait};

/// One end of the stream. Reading and writing fail with `TimedOut` when its time is up, however the other end drips.
#[derive(Debug)]
pub struct Timed {
    stream: UnixStream,
    until: Instant,
}

impl Timed {
    /// Until this moment.
    pub fn new(stream: UnixStream, until: Instant) -> Self {
        Self { stream, until }
    }

    /// To whoever listens on this socket, until this moment.
    pub fn connect(path: &Path, until: Instant) -> io::Result<Self> {
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        // A queue that is full mustn't hold us up for ever.
        setsockopt(&socket, SendTimeout, &TimeVal::seconds(CONNECT))?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self::new(UnixStream::from(socket), until))
    }

    /// From now on until this moment.
    pub fn set_until(&mut self, until: Instant) {
        self.until = until;
    }

    /// A value of at most `max` bytes of JSON, unknown fields refused by its type.
    pub fn read_frame<T: DeserializeOwned>(&mut self, max: usize) -> io::Result<T> {
        let length = usize::try_from(self.read_length()?).unwrap_or(usize::MAX);
        if length > max {
            return Err(nonsense(format!("a frame of more than {max} bytes")));
        }
        let mut bytes = vec![0; length];
        self.read_exact(&mut bytes)?;
        json::read(&bytes, DEPTH).map_err(|why| nonsense(why.to_string()))
    }

    /// The length before a frame or a piece.
    pub fn read_length(&mut self) -> io::Result<u32> {
        let mut length = [0; 4];
        self.read_exact(&mut length)?;
        Ok(u32::from_be_bytes(length))
    }

    /// A value as JSON, its length before it.
    pub fn write_frame(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut bytes = vec![0; 4];
        serde_json::to_writer(&mut bytes, value)?;
        let length = u32::try_from(bytes.len().saturating_sub(4)).map_err(io::Error::other)?;
        if let Some(place) = bytes.first_chunk_mut() {
            *place = length.to_be_bytes();
        }
        self.write_all(&bytes)
    }

    fn wait(&self, events: PollFlags) -> io::Result<()> {
        let mut fds = [PollFd::new(self.stream.as_fd(), events)];
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || !wait::ready(&mut fds, Some(left))? {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl AsFd for Timed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::POLLIN)?;
            match recv(self.stream.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                received => return Ok(received?),
            }
        }
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            match send(self.stream.as_raw_fd(), bytes, flags) {
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn nonsense(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// That a connection may take, in seconds.
const CONNECT: i64 = 10;
/// Deepest value of a frame.
const DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::transfer::answer::{Answer, Failure, FailureKind, MAX_ANSWER_FRAME};

    fn pair(time: Duration) -> (Timed, UnixStream) {
        let (one, other) = UnixStream::pair().unwrap();
        (Timed::new(one, Instant::now() + time), other)
    }

    fn kind<T>(result: io::Result<T>) -> io::ErrorKind {
        result.err().unwrap().kind()
    }

    #[test]
    fn a_frame_is_the_same_after_the_way() {
        let (mut one, other) = pair(Duration::from_secs(5));
        let failure = Failure { kind: FailureKind::TooBig, text: "no".to_owned(), kept: false };
        one.write_frame(&Answer::Failed(failure.clone())).unwrap();
        let mut other = Timed::new(other, Instant::now() + Duration::from_secs(5));
        assert_eq!(other.read_frame::<Answer>(MAX_ANSWER_FRAME).unwrap(), Answer::Failed(failure));
    }

    #[test]
    fn refuses_long_frames_before_they_are_read_and_short_ones_when_they_end() {
        let (mut one, mut other) = pair(Duration::from_secs(5));
        other.write_all(&11_u32.to_be_bytes()).unwrap();
        assert_eq!(kind(one.read_frame::<Answer>(10)), io::ErrorKind::InvalidData);
        other.write_all(&4_u32.to_be_bytes()).unwrap();
        other.write_all(b"nul").unwrap();
        drop(other);
        assert_eq!(kind(one.read_frame::<Answer>(10)), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn its_time_ends_whoever_drips_or_does_not_read() {
        let (mut one, mut other) = pair(Duration::from_millis(20));
        other.write_all(&[0]).unwrap();
        assert_eq!(kind(one.read_length()), io::ErrorKind::TimedOut);
        one.set_until(Instant::now() + Duration::from_millis(20));
        assert_eq!(kind(one.write_all(&vec![0; 8 << 20])), io::ErrorKind::TimedOut);
    }
}
