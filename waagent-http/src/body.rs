//! The body of an answer, into memory or a file, within its limits.

use std::fs::File;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use ureq::{Agent, Body};
use waagent_common::fault::Fault;

use super::message::{Request, Response};
use super::{HttpError, exchange};

/// What a download came to.
#[derive(Debug)]
pub struct Stored {
    /// The answer, without its body when it was a success.
    pub response: Response,
    /// Bytes written.
    pub size: u64,
}

/// How much of a body is read.
#[derive(Debug, Clone, Copy)]
pub struct Bounded {
    /// In bytes.
    pub limit: u64,
    /// Is the rest to be left out, or an error?
    pub cut: bool,
}

impl Bounded {
    /// As this answer's status and the request say: of what isn't a success the beginning is kept, for a message.
    pub fn of(status: u16, request: &Request<'_>) -> Self {
        let is_success = (200..300).contains(&status);
        Self { limit: if is_success { request.limit } else { ERROR_BODY }, cut: !is_success }
    }

    /// Reads it into memory.
    pub(super) fn read(self, body: Body, timeout: Duration) -> Result<Vec<u8>, HttpError> {
        let announced = body.content_length();
        if !self.cut && announced.is_some_and(|length| length > self.limit) {
            return Err(HttpError::TooBig(self.limit));
        }
        let room = usize::try_from(announced.unwrap_or(0).min(self.limit)).unwrap_or(0);
        self.read_from(body.into_with_config().limit(u64::MAX).reader(), room, timeout)
    }

    /// Reads what comes into memory; `room` is how much is likely to.
    pub fn read_from(self, reader: impl Read, room: usize, timeout: Duration) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        bytes.reserve_exact(room.min(64 << 10));
        reader
            .take(self.limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| HttpError::of(ureq::Error::from(error), timeout.as_secs()))?;
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if bytes.len() > limit {
            if !self.cut {
                return Err(HttpError::TooBig(self.limit));
            }
            bytes.truncate(limit);
        }
        Ok(bytes)
    }
}

/// Sends a request, and writes the body of a success into a file.
pub fn stored(agent: &Agent, uri: &str, request: &Request<'_>, file: &mut File) -> Result<Stored, HttpError> {
    let (head, body) = exchange(agent, uri, request, request.body)?.into_parts();
    let mut response = Response { status: head.status.as_u16(), headers: head.headers, body: Vec::new() };
    if !head.status.is_success() {
        response.body = Bounded::of(response.status, request).read(body, request.timeout)?;
        return Ok(Stored { response, size: 0 });
    }
    if body.content_length().is_some_and(|length| length > request.limit) {
        return Err(HttpError::TooBig(request.limit));
    }
    let size = copy(&mut body.into_with_config().limit(u64::MAX).reader(), file, request)?;
    Ok(Stored { response, size })
}

/// Copies in pieces, and gives up on a peer that sends less than 8 KiB a second over 30 s.
pub fn copy(reader: &mut impl Read, file: &mut File, request: &Request<'_>) -> Result<u64, HttpError> {
    let mut piece = vec![0; PIECE];
    let (mut size, mut window, mut since) = (0_u64, 0_u64, Instant::now());
    loop {
        let length = reader
            .read(&mut piece)
            .map_err(|error| HttpError::of(ureq::Error::from(error), request.timeout.as_secs()))?;
        if length == 0 {
            return Ok(size);
        }
        let length_64 = u64::try_from(length).unwrap_or(u64::MAX);
        size += length_64;
        window += length_64;
        if size > request.limit {
            return Err(HttpError::TooBig(request.limit));
        }
        if since.elapsed() >= DRIP_WINDOW {
            if window < DRIP_BYTES {
                return Err(HttpError::Broken(format!("only {window} bytes in 30 s")));
            }
            (window, since) = (0, Instant::now());
        }
        file.write_all(piece.get(..length).unwrap_or_default())
            .map_err(|error| HttpError::Store(Fault::io(format!("cannot write a download: {error}"))))?;
    }
}

/// How much is kept of the body of an answer that isn't a success.
pub const ERROR_BODY: u64 = 4 << 10;
/// A download is written in pieces of this size.
const PIECE: usize = 64 << 10;
/// The slowest download: 8 KiB a second over 30 s.
const DRIP_WINDOW: Duration = Duration::from_secs(30);
const DRIP_BYTES: u64 = 30 * (8 << 10);
