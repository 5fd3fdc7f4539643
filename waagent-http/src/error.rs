//! Why a request brought no answer.

use std::fmt;
use std::io;

use waagent_common::fault::Fault;
use waagent_common::text::shown;

use waagent_common::gate::client::GateError;

/// Why a request brought no answer; an answer with a bad status is an answer.
#[derive(Debug)]
pub enum HttpError {
    /// The request itself is wrong: bad URI, scheme or header. Never repeated.
    Refused(String),
    /// The gate couldn't ask.
    Gate(String),
    /// The gate doesn't let such a request pass. Never repeated.
    Denied(String),
    /// Name not found, no route, connection refused.
    Connect(String),
    /// Certificate, name or handshake. Never repeated.
    Tls(String),
    /// The time of the request, in seconds, is over.
    Timeout(u64),
    /// More bytes than allowed.
    TooBig(u64),
    /// Reset, truncation, or bytes that are no HTTP.
    Broken(String),
    /// The answer couldn't be stored.
    Store(Fault),
}

/// How the text of the `Connect` begins that means a name without an address.
pub const NO_HOST: &str = "host name not found";

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(why)
            | Self::Gate(why)
            | Self::Denied(why)
            | Self::Connect(why)
            | Self::Tls(why)
            | Self::Broken(why) => f.write_str(why),
            Self::Timeout(seconds) => write!(f, "no complete answer within {seconds} s"),
            Self::TooBig(limit) => write!(f, "an answer of more than the {limit} bytes allowed"),
            Self::Store(fault) => f.write_str(&fault.text),
        }
    }
}

impl std::error::Error for HttpError {}

impl HttpError {
    /// Can the same request succeed a little later?
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Gate(_) | Self::Connect(_) | Self::Timeout(_) | Self::Broken(_))
    }

    /// What the library met, within `seconds`.
    pub fn of(error: ureq::Error, seconds: u64) -> Self {
        match error {
            ureq::Error::Timeout(_) => Self::Timeout(seconds),
            ureq::Error::Io(error) => of_io(error, seconds),
            ureq::Error::HostNotFound => Self::Connect(NO_HOST.to_owned()),
            ureq::Error::ConnectionFailed => Self::Connect("connection failed".to_owned()),
            ureq::Error::ConnectProxyFailed(why) => Self::Connect(format!("proxy: {}", shown(&why))),
            ureq::Error::BadUri(why) => Self::Refused(shown(&why)),
            ureq::Error::Http(why) => Self::Refused(shown(&why.to_string())),
            ureq::Error::Other(why) => of_transport(why),
            error => Self::Broken(shown(&error.to_string())),
        }
    }
}

/// What a transport of ours met.
fn of_transport(why: Box<dyn std::error::Error + Send + Sync>) -> HttpError {
    let why = match why.downcast::<HttpError>() {
        Ok(error) => return *error,
        Err(why) => why,
    };
    match why.downcast::<GateError>() {
        Ok(gate) if gate.is_denial() => HttpError::Denied(gate.to_string()),
        Ok(gate) => HttpError::Gate(gate.to_string()),
        Err(why) => HttpError::Broken(shown(&why.to_string())),
    }
}

fn of_io(error: io::Error, seconds: u64) -> HttpError {
    // The library wraps its own errors in those of a body's reader.
    match error.downcast::<ureq::Error>() {
        Ok(inner) => HttpError::of(inner, seconds),
        Err(error) => match error.downcast::<HttpError>() {
            Ok(ours) => ours,
            Err(error) => of_system(&error),
        },
    }
}

fn of_system(error: &io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::TimedOut => HttpError::Connect("connection timed out".to_owned()),
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => HttpError::Connect(shown(&error.to_string())),
        _ => HttpError::Broken(shown(&error.to_string())),
    }
}

/// What OpenSSL's texts mean, without its source files and numbers: `error:<code>:<library>:<function>:<reason>:...`,
/// and in brackets why a certificate isn't good.
///
/// The queue of errors is told oldest first, and a look for an authority leaves its own there (a loader that isn't
/// registered, a file that isn't there), which are not why: the reason is the last that the library of TLS gave.
pub fn tls_reason(text: &str) -> String {
    let errors = || text.split("error:").skip(1).map(|error| error.split(':'));
    let of_tls = errors().filter(|error| error.clone().nth(1) == Some("SSL routines")).last();
    let reason = of_tls.or_else(|| errors().last()).and_then(|mut error| error.nth(3));
    let verdict =
        text.split_once(" (").and_then(|(_, rest)| rest.split_once(')')).map(|(verdict, _)| verdict);
    match (reason, verdict) {
        (Some(reason), Some(verdict)) => format!("TLS: {reason}: {verdict}"),
        (Some(reason), None) => format!("TLS: {reason}"),
        (None, _) => format!("TLS: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What OpenSSL 3.0 tells after a look for an authority in a folder, and after one in a file.
    #[test]
    fn tells_why_tls_ended_and_not_what_came_before() {
        const REFUSED: &str = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify \
            failed:../ssl/statem/statem_clnt.c:1889: (unable to get local issuer certificate)";
        const LOOKED: &str = "error:16000069:STORE routines:ossl_store_get0_loader_int:unregistered \
            scheme:../crypto/store/store_register.c:237:scheme=file, error:80000002:system library:file_open:\
            reason(2):../providers/implementations/storemgmt/file_store.c:266:calling stat(/etc/x.0), ";
        let told = "TLS: certificate verify failed: unable to get local issuer certificate";
        assert_eq!(tls_reason(REFUSED), told);
        assert_eq!(tls_reason(&format!("{LOOKED}{REFUSED}")), told);
        let closed = "error:80000068:system library:read:connection reset:x.c:1:";
        assert_eq!(tls_reason(closed), "TLS: connection reset");
        assert_eq!(tls_reason("the handshake was broken off"), "TLS: the handshake was broken off");
    }
}
