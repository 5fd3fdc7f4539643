//! Bytes on their way in one direction: a piece is read, written, and only then is the next one read.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

/// One direction of an exchange.
#[derive(Debug)]
pub(crate) struct Pipe {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
    left: u64,
}

/// What a read or write came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many bytes.
    Bytes(usize),
    /// Not now.
    Nothing,
    /// The other side has ended.
    Ended,
}

impl Pipe {
    /// Begins with these bytes; at most `left` more may be read.
    pub(crate) fn new(first: Vec<u8>, left: u64) -> Self {
        let end = first.len();
        let mut buffer = first;
        buffer.resize(end.max(PIECE), 0);
        Self { buffer, begin: 0, end, left }
    }

    /// Is there something to write?
    pub(crate) fn is_full(&self) -> bool {
        self.begin < self.end
    }

    /// May there be more to read?
    pub(crate) fn is_open(&self) -> bool {
        self.left > 0
    }

    /// Nothing is waiting, and more may come.
    pub(crate) fn wants_more(&self) -> bool {
        self.is_open() && !self.is_full()
    }

    /// Nothing more is read or written.
    pub(crate) fn close(&mut self) {
        (self.begin, self.end, self.left) = (0, 0, 0);
    }

    /// Reads a piece, if there is room.
    pub(crate) fn read(&mut self, from: BorrowedFd<'_>) -> nix::Result<Moved> {
        if !self.wants_more() {
            return Ok(Moved::Nothing);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buffer.len());
        let room = self.buffer.get_mut(..most).unwrap_or_default();
        let moved = outcome(recv(from.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT))?;
        if let Moved::Bytes(length) = moved {
            (self.begin, self.end) = (0, length);
            self.left = self.left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        }
        Ok(moved)
    }

    /// Writes what is there, as far as it goes.
    pub(crate) fn write(&mut self, to: BorrowedFd<'_>) -> nix::Result<Moved> {
        let Some(waiting) = self.buffer.get(self.begin..self.end).filter(|waiting| !waiting.is_empty())
        else {
            return Ok(Moved::Nothing);
        };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let moved = outcome(send(to.as_raw_fd(), waiting, flags))?;
        if let Moved::Bytes(length) = moved {
            self.begin += length;
        }
        Ok(moved)
    }
}

/// What would be read, without taking it.
pub(crate) fn look(at: BorrowedFd<'_>) -> nix::Result<Moved> {
    outcome(recv(at.as_raw_fd(), &mut [0], MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK))
}

fn outcome(result: nix::Result<usize>) -> nix::Result<Moved> {
    match result {
        Ok(0) => Ok(Moved::Ended),
        Ok(length) => Ok(Moved::Bytes(length)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(Moved::Nothing),
        Err(error) => Err(error),
    }
}

/// So much is read at a time, in bytes.
const PIECE: usize = 32 << 10;
