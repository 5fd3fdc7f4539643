//! HTTP/1.1 by hand: reading requests within bounds, and the plain form of an answer. Faults are `connection`'s.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, bail, ensure};

/// A request, read whole.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `PUT`, `POST`.
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Header names as sent, values trimmed.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The path, without query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// First value of a query key, whose case doesn't matter; percent-encoding stays.
    pub fn query(&self, key: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// First value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the connection may serve another request.
    pub fn keeps_alive(&self) -> bool {
        !self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// An answer before faults.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers besides length and connection.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Why it isn't what was asked for; goes to the record.
    pub note: Option<String>,
}

impl Response {
    /// An answer without body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// XML in UTF-8.
    pub fn xml(text: String) -> Self {
        Self::text(200, "text/xml; charset=utf-8", text)
    }

    /// JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::text(200, "application/json; charset=utf-8", value.to_string())
    }

    /// Bytes.
    pub fn bytes(body: Vec<u8>) -> Self {
        Self { status: 200, body, ..Self::default() }.with("Content-Type", "application/octet-stream")
    }

    /// Some text.
    pub fn text(status: u16, kind: &str, text: String) -> Self {
        Self { status, body: text.into_bytes(), ..Self::default() }.with("Content-Type", kind)
    }

    /// A refusal: the reason is body and note.
    pub fn refused(status: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { note: Some(reason.clone()), ..Self::text(status, "text/plain", reason) }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Status line and headers, without the empty line; length and connection are the sender's.
    pub fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        head
    }
}

/// Reads requests one after another from one connection.
#[derive(Debug, Default)]
pub struct RequestReader {
    buffer: Vec<u8>,
}

impl RequestReader {
    /// The next request; `None` when the client has closed or fell silent between two.
    pub fn next(&mut self, stream: &mut (impl Read + Write)) -> Result<Option<Request>> {
        loop {
            if let Some((mut request, framing)) = self.head()? {
                if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
                    stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                request.body = match framing {
                    Framing::Length(length) => self.take(stream, length)?,
                    Framing::Chunked => self.chunks(stream)?,
                };
                return Ok(Some(request));
            }
            ensure!(self.buffer.len() <= HEAD_LIMIT, "request head larger than 64 KiB");
            if !self.fill(stream)? {
                ensure!(self.buffer.is_empty(), "connection closed within a request head");
                return Ok(None);
            }
        }
    }

    fn head(&mut self) -> Result<Option<(Request, Framing)>> {
        let mut headers = [httparse::EMPTY_HEADER; 100];
        let mut parsed = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(&self.buffer)? else { return Ok(None) };
        let mut request = Request {
            method: parsed.method.context("no method")?.to_owned(),
            target: parsed.path.context("no target")?.to_owned(),
            ..Request::default()
        };
        for header in parsed.headers.iter() {
            let value = String::from_utf8(header.value.to_vec()).context("header isn't UTF-8")?;
            request.headers.push((header.name.to_owned(), value));
        }
        ensure!(request.header("host").is_some(), "no header Host");
        let framing = match (request.header("transfer-encoding"), request.header("content-length")) {
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunked,
            (Some(coding), _) => bail!("transfer coding '{coding}'"),
            (None, Some(length)) => Framing::Length(length.parse().context("content length")?),
            (None, None) => Framing::Length(0),
        };
        self.buffer.drain(..length);
        Ok(Some((request, framing)))
    }

    fn take(&mut self, stream: &mut impl Read, length: usize) -> Result<Vec<u8>> {
        ensure!(length <= BODY_LIMIT, "request body of {length} bytes");
        while self.buffer.len() < length {
            ensure!(self.fill(stream)?, "connection closed within a request body");
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn chunks(&mut self, stream: &mut impl Read) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(stream)?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
            ensure!(body.len() + size.min(BODY_LIMIT) <= BODY_LIMIT, "request body too large");
            if size == 0 {
                while !self.line(stream)?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(stream, size)?);
            ensure!(self.line(stream)?.is_empty(), "chunk is longer than it says");
        }
    }

    fn line(&mut self, stream: &mut impl Read) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8(self.buffer.drain(..end + 2).take(end).collect())?;
                return Ok(line);
            }
            ensure!(self.buffer.len() <= HEAD_LIMIT, "line larger than 64 KiB");
            ensure!(self.fill(stream)?, "connection closed within a chunk");
        }
    }

    /// Reads some more; false at the end of the stream.
    fn fill(&mut self, stream: &mut impl Read) -> Result<bool> {
        let mut piece = [0; 16_384];
        let count = match stream.read(&mut piece) {
            Ok(count) => count,
            Err(error) if self.buffer.is_empty() && is_end(error.kind()) => 0,
            Err(error) => return Err(error.into()),
        };
        self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(count > 0)
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// What an idle client's silence or leave looks like.
fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionReset)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// Heads are at most a certificate and a SAS URI long.
const HEAD_LIMIT: usize = 64 << 10;
/// The largest honest body is a log archive.
const BODY_LIMIT: usize = 160 << 20;
