//! One order to waagent-transfer, and its answer while it comes. What comes is hostile input like any other.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use waagent_common::resident;
use waagent_common::secret::redact_uris;
use waagent_common::text::shown;
use waagent_common::transfer::answer::{
    Answer, END, FAILED, Failure, FailureKind, Head, MAX_ANSWER_FRAME, MAX_PIECE,
};
use waagent_common::transfer::order::{Header, Method, Order};
use waagent_common::transfer::stream::Timed;
use waagent_http::Bounded;

use crate::http::{HttpError, Request, Response, StorageUri, Verb};

/// An answer of storage whose body is still to come.
#[derive(Debug)]
pub(crate) struct Answered {
    /// Its head.
    pub(crate) head: Head,
    /// Its body.
    pub(crate) body: Pieces,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: HttpError,
    /// It was asked by a connection that had been kept: that this one was closed says nothing about storage.
    pub(crate) kept: bool,
}

/// Sends a request of storage, and waits for the head of its answer.
pub(crate) fn order(socket: &Path, uri: &StorageUri, request: &Request<'_>) -> Result<Answered, Unanswered> {
    let fresh = |error| Unanswered { error, kept: false };
    // To ask is a sign of life.
    resident::sign();
    let order = order_of(uri, request).map_err(fresh)?;
    let seconds = order.seconds;
    let until = Instant::now() + request.timeout + SLACK;
    let mut stream = Timed::connect(socket, until).map_err(|error| fresh(unreachable(socket, &error)))?;
    // Who refuses an order hangs up while we write; why, stands before the end of what he says.
    let _told = stream.write_frame(&order).and_then(|()| stream.write_all(request.body));
    match stream.read_frame(MAX_ANSWER_FRAME) {
        Ok(Answer::Head(head)) => Ok(Answered {
            head,
            body: Pieces { stream, limit: request.limit, seconds, state: State::Between },
        }),
        Ok(Answer::Failed(failure)) => {
            Err(Unanswered { kept: failure.kept, error: of_failure(&failure, request.limit, seconds) })
        }
        Err(error) => Err(fresh(of_io(&error, seconds))),
    }
}

fn order_of(uri: &StorageUri, request: &Request<'_>) -> Result<Order, HttpError> {
    let method = match request.method {
        Verb::Get => Method::Get,
        Verb::Put => Method::Put,
        Verb::Post => return Err(HttpError::Refused("storage takes no POST".to_owned())),
    };
    let header = |(name, value): &(&'static str, String)| {
        let known = Header::of(name).ok_or_else(|| HttpError::Refused(format!("header '{name}'")))?;
        Ok((known, value.clone()))
    };
    let headers = request.headers.iter().map(header).collect::<Result<BTreeMap<_, _>, HttpError>>()?;
    let body = u64::try_from(request.body.len()).unwrap_or(u64::MAX);
    let (limit, seconds) = (request.limit, request.timeout.as_secs());
    Ok(Order { method, uri: uri.expose().to_owned(), headers, body, limit, seconds })
}

impl Answered {
    /// The answer with its body, within the request's bounds.
    pub(crate) fn into_memory(mut self, request: &Request<'_>) -> Result<Response, HttpError> {
        let bounded = Bounded::of(self.head.status, request);
        let body = bounded.read_from(&mut self.body, 0, request.timeout)?;
        Ok(Response { body, ..self.without_body() })
    }

    /// The answer, when its body has been taken.
    pub(crate) fn without_body(&self) -> Response {
        let headers: Vec<(&'static str, &str)> =
            self.head.headers.iter().map(|(header, value)| (header.name(), value.as_str())).collect();
        Response::new(self.head.status, &headers, &[])
    }
}

/// The body of an answer. A stream that ends before its end mark is an error.
#[derive(Debug)]
pub(crate) struct Pieces {
    stream: Timed,
    /// Of the order.
    limit: u64,
    seconds: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Between,
    /// So many bytes of a piece are still to come.
    Within(usize),
    Over,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next(buffer).map_err(io::Error::other)
    }
}

impl Pieces {
    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, HttpError> {
        let seconds = self.seconds;
        let broken = |error: io::Error| of_io(&error, seconds);
        let left = match self.state {
            State::Over => return Ok(0),
            State::Within(left) => left,
            State::Between => match self.stream.read_length().map_err(broken)? {
                END => {
                    self.state = State::Over;
                    return Ok(0);
                }
                FAILED => {
                    self.state = State::Over;
                    let failure: Failure = self.stream.read_frame(MAX_ANSWER_FRAME).map_err(broken)?;
                    return Err(of_failure(&failure, self.limit, seconds));
                }
                length => {
                    usize::try_from(length).ok().filter(|length| *length <= MAX_PIECE).ok_or_else(|| {
                        HttpError::Broken(format!("waagent-transfer: a piece of more than {MAX_PIECE} bytes"))
                    })?
                }
            },
        };
        let most = left.min(buffer.len());
        let length = self.stream.read(buffer.get_mut(..most).unwrap_or_default()).map_err(broken)?;
        if length == 0 && most > 0 {
            return Err(of_io(&io::ErrorKind::UnexpectedEof.into(), seconds));
        }
        let left = left.saturating_sub(length);
        self.state = if left == 0 { State::Between } else { State::Within(left) };
        Ok(length)
    }
}

/// The same kind and text as if the request had been made here.
fn of_failure(failure: &Failure, limit: u64, seconds: u64) -> HttpError {
    let text = shown(&redact_uris(&failure.text));
    match failure.kind {
        FailureKind::Refused => HttpError::Refused(text),
        FailureKind::Connect => HttpError::Connect(text),
        FailureKind::Tls => HttpError::Tls(text),
        FailureKind::Timeout => HttpError::Timeout(seconds),
        FailureKind::TooBig => HttpError::TooBig(limit),
        FailureKind::Broken => HttpError::Broken(text),
    }
}

fn unreachable(socket: &Path, error: &io::Error) -> HttpError {
    HttpError::Connect(format!(
        "cannot reach waagent-transfer on '{}': {error}; run 'systemctl start waagent-transfer.socket'",
        socket.display()
    ))
}

fn of_io(error: &io::Error, seconds: u64) -> HttpError {
    match error.kind() {
        io::ErrorKind::TimedOut => HttpError::Timeout(seconds),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            HttpError::Broken("waagent-transfer ended before its answer; see its log".to_owned())
        }
        _ => HttpError::Broken(format!("waagent-transfer's answer: {}", shown(&error.to_string()))),
    }
}

/// That an answer may take longer than its order: it comes from the time that the order is taken.
const SLACK: Duration = Duration::from_secs(10);
