//! What comes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The first frame of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// Storage has answered, whatever its status; the body follows.
    Head(Head),
    /// There is no answer of storage.
    Failed(Failure),
}

/// The head of storage's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// The header lines that somebody looks at.
    pub headers: BTreeMap<Shown, String>,
}

/// The header lines of an answer that are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Where a redirect leads; it isn't followed.
    Location,
    /// When to ask again.
    RetryAfter,
}

impl Shown {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Location, Self::RetryAfter];

    /// As storage sends it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::RetryAfter => "retry-after",
        }
    }
}

/// Why there is no answer, or no whole one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// For people; no query of a URI.
    pub text: String,
    /// It was the connection of an earlier order: that it is closed says nothing about the host.
    pub kept: bool,
}

/// The kinds of failures, as the fetcher tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The order itself is wrong: it is never carried out.
    Refused,
    /// Name not found, no route, connection refused.
    Connect,
    /// Certificate, name or handshake.
    Tls,
    /// The order's time is over.
    Timeout,
    /// More bytes than its limit.
    TooBig,
    /// Reset, truncation, or bytes that are no HTTP.
    Broken,
}

/// Longest frame that comes back, in bytes of JSON: a location of 4 KiB, each byte escaped, fits.
pub const MAX_ANSWER_FRAME: usize = 32 << 10;
/// Longest piece of a body, in bytes.
pub const MAX_PIECE: usize = 64 << 10;
/// In place of a piece's length: the body is whole.
pub const END: u32 = 0;
/// In place of a piece's length: a frame with a [`Failure`] follows, and the body isn't whole.
pub const FAILED: u32 = u32::MAX;
/// Longest text of a failure and longest header that is passed on, in bytes.
pub const MAX_TEXT: usize = 4096;
