//! The judgement: a head that came, the row that lets it pass, and the head that goes out instead.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddrV4};

use waagent_common::fault::Fault;
use waagent_common::gate::protocol::{Target, host_of};
use waagent_common::text::shown;

use crate::head::{Head, Method, length};
use crate::path::may_ask_for_certificates;
use crate::refusal::Refusal;
use crate::table::{CERTIFICATE, EVERYWHERE, ROWS, Row};

/// A request that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The head for the platform, written anew from what was understood.
    pub head: Vec<u8>,
    /// Bytes of the head that came.
    pub length: usize,
    /// Bytes of body that follow it.
    pub body: u64,
    /// Most bytes that the answer may have.
    pub answer: u64,
}

/// Longest body that is held until it is whole, in bytes: each of the WireServer's rows has this bound.
pub const MAX_HELD: usize = 16 << 10;

impl Request {
    /// Has enough of the body come to connect? A body for the WireServer is held until it is whole: a server that took it
    /// for the next request would find no certificate in it.
    pub(crate) fn is_complete(&self, target: Target, body: &[u8]) -> Result<bool, Refusal> {
        if target != Target::WireServer {
            return Ok(true);
        }
        let name = CERTIFICATE.as_bytes();
        if body.windows(name.len()).any(|window| window.eq_ignore_ascii_case(name)) {
            return Err(Refusal::new(format!("a body with the name of {CERTIFICATE}")));
        }
        Ok(u64::try_from(body.len()).is_ok_and(|come| come >= self.body))
    }
}

/// Judges what came for a target that listens at `address`. None where its end hasn't come yet.
///
/// `own_certificate` is read only for a request that carries one.
pub fn judge(
    bytes: &[u8],
    target: Target,
    address: SocketAddrV4,
    own_certificate: impl FnOnce() -> Result<String, Fault>,
) -> Result<Option<Request>, Refusal> {
    let Some(head) = Head::parse(bytes)? else { return Ok(None) };
    let row = row_of(&head, target)?;
    check_headers(&head, row, *address.ip())?;
    let host = host_of(address);
    if head.header("host") != Some(host.as_str()) {
        return Err(Refusal::new(format!("a Host that isn't {host}")));
    }
    let body = body_of(&head, row)?;
    check_certificate(&head, own_certificate)?;
    let written = written(&head, &host, body).into_bytes();
    Ok(Some(Request { head: written, length: head.length, body: body.unwrap_or(0), answer: row.answer }))
}

fn row_of(head: &Head<'_>, target: Target) -> Result<&'static Row, Refusal> {
    let fits =
        |row: &&Row| row.target == target && row.method == head.method && row.path.matches(head.target);
    ROWS.iter().find(fits).ok_or_else(|| {
        let path = head.target.split('?').next().unwrap_or_default();
        let method = head.method.as_wire();
        Refusal::new(format!("no row of the table has {method} of '{}' at {target}", shown(path)))
    })
}

fn check_headers(head: &Head<'_>, row: &Row, platform: Ipv4Addr) -> Result<(), Refusal> {
    for (name, value) in &head.headers {
        let name = name.as_str();
        if OWN.contains(&name) || EVERYWHERE.contains(&name) {
            continue;
        }
        let Some((_, values)) = row.headers.iter().find(|(known, _)| *known == name) else {
            return Err(Refusal::new(format!("header '{name}', which isn't in the table's row")));
        };
        if !values.allow(value, platform) {
            return Err(Refusal::new(format!("a value of '{name}' that isn't in the table's row")));
        }
    }
    Ok(())
}

/// How long the body is; none for a method that has none.
fn body_of(head: &Head<'_>, row: &Row) -> Result<Option<u64>, Refusal> {
    match (head.method, head.header("content-length")) {
        (Method::Get, None) => Ok(None),
        (Method::Get, Some(_)) => Err(Refusal::new("a GET with a Content-Length")),
        (_, None) => Err(Refusal::new("no Content-Length")),
        (_, Some(digits)) => match length(digits)? {
            body if body > row.body => {
                Err(Refusal::new(format!("a body of {body} bytes, the row allows {}", row.body)))
            }
            body => Ok(Some(body)),
        },
    }
}

/// What the platform seals, it seals for the certificate in the request.
fn check_certificate(head: &Head<'_>, own: impl FnOnce() -> Result<String, Fault>) -> Result<(), Refusal> {
    let Some(sent) = head.header(CERTIFICATE) else {
        return if may_ask_for_certificates(head.target) {
            Err(Refusal::new(format!("a request for certificates without {CERTIFICATE}")))
        } else {
            Ok(())
        };
    };
    let own =
        own().map_err(|fault| Refusal::new(format!("no certificate to compare with: {}", fault.text)))?;
    if own.is_empty() || sent != own {
        return Err(Refusal::new(format!("a {CERTIFICATE} that isn't that of certs/transport.json")));
    }
    Ok(())
}

/// The head that the platform gets: nothing of the bytes that came is copied but values that were understood.
fn written(head: &Head<'_>, host: &str, body: Option<u64>) -> String {
    let (method, target) = (head.method.as_wire(), head.target);
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in head.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        // Writing into a string can't fail.
        let _infallible = write!(text, "{name}: {value}\r\n");
    }
    if let Some(body) = body {
        let _infallible = write!(text, "Content-Length: {body}\r\n");
    }
    text.push_str("\r\n");
    text
}

/// What the gate reads and writes itself.
const OWN: &[&str] = &["host", "content-length"];
