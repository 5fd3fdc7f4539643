//! Requests and answers.

use std::time::Duration;

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::PLATFORM_TIME;

/// One request. `path` starts with `/` for the platform; storage takes its URI beside it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `GET`, `PUT`, `POST`.
    pub method: Verb,
    /// Besides `Host`, `User-Agent` and `Accept-Encoding`, which each request has.
    pub headers: Vec<(&'static str, String)>,
    /// The body of a `PUT` or `POST`.
    pub body: &'a [u8],
    /// Most bytes that the answer's body may have.
    pub limit: u64,
    /// Connect, headers and body, all told.
    pub timeout: Duration,
}

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Ask.
    Get,
    /// Tell.
    Post,
    /// Store.
    Put,
}

impl<'a> Request<'a> {
    /// A GET without headers: 64 KiB in 30 s (wire protocol: versions, health, error texts).
    pub fn get() -> Self {
        Self { method: Verb::Get, headers: Vec::new(), body: &[], limit: 64 << 10, timeout: PLATFORM_TIME }
    }

    /// A POST whose answer isn't expected to say much.
    pub fn post(body: &'a [u8]) -> Self {
        Self { method: Verb::Post, body, ..Self::get() }
    }

    /// A PUT whose answer isn't expected to say much.
    pub fn put(body: &'a [u8]) -> Self {
        Self { method: Verb::Put, body, ..Self::get() }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Another limit for the answer's body, in bytes.
    #[must_use]
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Another limit for the whole exchange.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Its header lines.
    pub headers: HeaderMap,
    /// The body; of a status that isn't 2xx at most 4 KiB.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer made from its parts; header names in lower case.
    pub fn new(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Self {
        let headers = headers.iter().filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
        });
        Self { status, headers: headers.collect(), body: body.to_vec() }
    }

    /// 200, 201 or 202.
    pub fn is_success(&self) -> bool {
        matches!(self.status, 200..=202)
    }

    /// A header's value, if it is there once at least and printable ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Retry-After` in seconds, at most 60; dates are ignored.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header("retry-after")?.trim().parse::<u64>().ok()?;
        Some(Duration::from_secs(seconds.min(60)))
    }

    /// The status and the beginning of the body, for a message.
    pub fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = waagent_common::secret::redact_uris(waagent_common::text::cut(text.trim(), 128));
        if text.is_empty() {
            return format!("status {}", self.status);
        }
        format!("status {}: {}", self.status, waagent_common::text::shown(&text))
    }
}
