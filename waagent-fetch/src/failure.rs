//! Why a request to the platform, or a round, came to nothing.

use std::fmt;

use waagent_common::fault::{Exit, Fault};

use crate::http::{HttpError, Response};
use crate::retry::{self, Throttled};

/// What kind of failure it is decides what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nobody answered.
    Silent,
    /// The machine has moved: a new goal state has other ids.
    Stale,
    /// An answer that says "not now": 5xx.
    Busy,
    /// An answer that says "not so often": 403, 429, 503.
    Throttled(Throttled),
    /// It speaks no version of the protocol that we speak.
    Unsupported,
    /// A goal state without a `RoleInstance` yet: asking again in half a second helps.
    NoRoleInstance,
    /// An answer that makes no sense.
    Nonsense,
    /// A fault on this machine.
    Own(Exit),
}

/// A failure with its text, which begins with what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What kind.
    pub(crate) kind: Kind,
    /// Lower case, no full stop, no query of a URI.
    pub(crate) text: String,
}

impl Failure {
    /// The platform's answer makes no sense.
    pub(crate) fn nonsense(text: impl Into<String>) -> Self {
        Self { kind: Kind::Nonsense, text: text.into() }
    }

    /// No answer to `what`.
    pub(crate) fn of_error(what: &str, error: &HttpError) -> Self {
        let kind = match error {
            HttpError::Gate(_) | HttpError::Connect(_) | HttpError::Timeout(_) | HttpError::Tls(_) => {
                Kind::Silent
            }
            // A reset is a busy host more often than a mad one, and repeating it is right in both cases.
            HttpError::Broken(_) => Kind::Busy,
            HttpError::Refused(_) | HttpError::TooBig(_) => Kind::Nonsense,
            HttpError::Store(fault) => Kind::Own(fault.exit),
        };
        Self { kind, text: format!("{what}: {error}") }
    }

    /// An answer to `what` that isn't a success.
    pub(crate) fn of_status(what: &str, response: &Response) -> Self {
        let kind = match (response.status, Throttled::of(response)) {
            _ if retry::is_stale(response) => Kind::Stale,
            (_, Some(throttled)) => Kind::Throttled(throttled),
            (500..=599, None) => Kind::Busy,
            _ => Kind::Nonsense,
        };
        let hint = match response.status {
            401 | 403 => "; if azure-proxy-agent runs here, it refuses this program",
            _ => "",
        };
        Self { kind, text: format!("{what}: {}{hint}", response.shown()) }
    }

    /// The exit status of a single round that this ends.
    pub(crate) fn exit(&self) -> Exit {
        match self.kind {
            Kind::Silent | Kind::Stale | Kind::Busy | Kind::Throttled(_) => Exit::TryAgain,
            Kind::Unsupported | Kind::NoRoleInstance | Kind::Nonsense => Exit::Protocol,
            Kind::Own(exit) => exit,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { kind: Kind::Own(fault.exit), text: fault.text }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::new(failure.exit(), failure.text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
