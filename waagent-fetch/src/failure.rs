//! Why a request to the platform, or a poll, came to nothing.

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
    /// The gate doesn't let the request pass.
    Denied,
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

impl Kind {
    /// Of an exchange that brought no answer.
    fn of_error(error: &HttpError) -> Self {
        match error {
            HttpError::Gate(_) | HttpError::Connect(_) | HttpError::Timeout(_) | HttpError::Tls(_) => {
                Self::Silent
            }
            // A reset is a busy host more often than a mad one, and repeating it is right in both cases.
            HttpError::Broken(_) => Self::Busy,
            HttpError::Denied(_) => Self::Denied,
            HttpError::Refused(_) | HttpError::TooBig(_) => Self::Nonsense,
            HttpError::Store(fault) => Self::Own(fault.exit),
        }
    }

    /// Of an answer that isn't a success.
    pub(crate) fn of_status(response: &Response) -> Self {
        match (response.status, Throttled::of(response)) {
            _ if retry::is_stale(response) => Self::Stale,
            (_, Some(throttled)) => Self::Throttled(throttled),
            (500..=599, None) => Self::Busy,
            _ => Self::Nonsense,
        }
    }
}

impl Failure {
    /// The platform's answer makes no sense.
    pub(crate) fn nonsense(text: impl Into<String>) -> Self {
        Self { kind: Kind::Nonsense, text: text.into() }
    }

    /// No answer to `what`.
    pub(crate) fn of_error(what: &str, error: &HttpError) -> Self {
        Self { kind: Kind::of_error(error), text: format!("{what}: {error}") }
    }

    /// An answer to `what` that isn't a success.
    pub(crate) fn of_status(what: &str, response: &Response) -> Self {
        let hint = match response.status {
            401 | 403 => "; if azure-proxy-agent runs here, it refuses this program",
            _ => "",
        };
        Self { kind: Kind::of_status(response), text: format!("{what}: {}{hint}", response.shown()) }
    }

    /// The exit status of a single poll that this ends.
    pub(crate) fn exit(&self) -> Exit {
        match self.kind {
            Kind::Silent | Kind::Stale | Kind::Busy | Kind::Throttled(_) => Exit::TryAgain,
            Kind::Unsupported | Kind::NoRoleInstance | Kind::Nonsense => Exit::Protocol,
            Kind::Denied => Exit::Software,
            Kind::Own(exit) => exit,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { kind: Kind::Own(fault.exit), text: fault.text }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        Self { kind: Kind::of_error(&error), text: error.to_string() }
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
