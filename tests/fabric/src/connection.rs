//! One connection: requests in, answers out, and on the way out the faults.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use openssl::ssl::SslAcceptor;

use crate::connections::Leave;
use crate::control;
use crate::fault::Act;
use crate::http::{RequestReader, Response};
use crate::opener;
use crate::route::Listener;
use crate::shared::Shared;

/// Everything a connection's thread needs to know.
#[derive(Clone)]
pub struct Door {
    /// Who listens.
    pub listener: Listener,
    /// TLS, for storage by https.
    pub tls: Option<SslAcceptor>,
    /// The platform.
    pub shared: Arc<Shared>,
}

/// Serves a connection until one side ends it.
pub fn serve(stream: TcpStream, peer: SocketAddr, door: &Door, leave: &Leave<'_>) {
    // Each of these ends only this connection: the client is gone, or spoke no HTTP.
    if let Err(error) = try_serve(stream, peer, door, leave) {
        door.shared.complain(door.listener, &format!("{error:#}"));
    }
}

fn try_serve(stream: TcpStream, peer: SocketAddr, door: &Door, leave: &Leave<'_>) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    let uid = match door.listener {
        Listener::Control => None,
        _ => opener::uid(peer, stream.local_addr()?),
    };
    let socket = stream.try_clone()?;
    let end = match &door.tls {
        Some(tls) => {
            let Ok(mut stream) = tls.accept(stream) else { bail!("TLS handshake failed") };
            let end = exchange(&mut stream, uid, door, leave);
            if !matches!(end, End::Reset) {
                // Says that no more comes; a client that has gone already doesn't mind.
                drop(stream.shutdown());
            }
            end
        }
        None => exchange(&mut { stream }, uid, door, leave),
    };
    // The handle in the list of connections would keep the socket open.
    leave.forget_stream();
    match end {
        End::Reset => reset(&socket),
        End::Next | End::Close => Ok(()),
    }
}

/// What ends badly is on record before the client sees the end.
fn exchange(stream: &mut (impl Read + Write), uid: Option<u32>, door: &Door, leave: &Leave<'_>) -> End {
    try_exchange(stream, uid, door, leave).unwrap_or_else(|error| {
        door.shared.complain(door.listener, &format!("{error:#}"));
        End::Close
    })
}

fn try_exchange(
    stream: &mut (impl Read + Write),
    uid: Option<u32>,
    door: &Door,
    leave: &Leave<'_>,
) -> Result<End> {
    let mut reader = RequestReader::default();
    while let Some(request) = reader.next(stream)? {
        let (response, act) = match door.listener {
            Listener::Control => (control::answer(&door.shared, &request), None),
            listener => door.shared.answer(listener, uid, &request),
        };
        let mut sender = Sender { stream, leave, keep: request.keeps_alive() };
        match sender.send(&response, act.as_ref())? {
            End::Next if request.keeps_alive() => {}
            End::Next => return Ok(End::Close),
            end => return Ok(end),
        }
    }
    Ok(End::Close)
}

/// Linger of 0 (socket(7)) makes the last close a reset.
fn reset(socket: &TcpStream) -> Result<()> {
    setsockopt(socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })?;
    Ok(())
}

enum End {
    Next,
    Close,
    Reset,
}

struct Sender<'a, 'b, S> {
    stream: &'a mut S,
    leave: &'a Leave<'b>,
    keep: bool,
}

impl<S: Read + Write> Sender<'_, '_, S> {
    fn send(&mut self, response: &Response, act: Option<&Act>) -> Result<End> {
        let body = response.body.as_slice();
        match act {
            None | Some(Act::Status { .. } | Act::Body { .. } | Act::Header { .. }) => {
                self.whole(response, body)
            }
            Some(Act::Delay { ms }) => {
                self.leave.sleep(Duration::from_millis(*ms));
                self.whole(response, body)
            }
            Some(Act::ResetBefore) => Ok(End::Reset),
            Some(Act::ResetInBody { after }) => {
                self.part(response, body.len(), *after)?;
                Ok(End::Reset)
            }
            Some(Act::Truncate { keep }) => self.part(response, body.len(), *keep),
            Some(Act::WrongLength { length }) => self.part(response, usize::try_from(*length)?, body.len()),
            Some(Act::SlowDrip { bytes, ms }) => self.drip(response, *bytes, Duration::from_millis(*ms)),
            Some(Act::EndlessBody) => self.endless(response),
            Some(Act::ByteOrderMark) => self.whole(response, &[BYTE_ORDER_MARK, body].concat()),
            Some(Act::Oversize { bytes }) => self.oversize(response, usize::try_from(*bytes)?),
            Some(Act::Chunked) => self.chunked(response, false),
            Some(Act::BadChunking) => self.chunked(response, true),
        }
    }

    fn whole(&mut self, response: &Response, body: &[u8]) -> Result<End> {
        let connection = if self.keep { "keep-alive" } else { "close" };
        let length = match response.status {
            304 => String::new(),
            _ => format!("Content-Length: {}\r\n", body.len()),
        };
        let mut bytes = format!("{}{length}Connection: {connection}\r\n\r\n", response.head()).into_bytes();
        bytes.extend_from_slice(body);
        self.write(&bytes)?;
        Ok(End::Next)
    }

    /// Says `length`, sends the first `keep` bytes.
    fn part(&mut self, response: &Response, length: usize, keep: usize) -> Result<End> {
        self.head(response, &format!("Content-Length: {length}"))?;
        self.write(response.body.get(..keep).unwrap_or(&response.body))?;
        Ok(End::Close)
    }

    fn drip(&mut self, response: &Response, bytes: usize, pause: Duration) -> Result<End> {
        self.head(response, &format!("Content-Length: {}", response.body.len()))?;
        for drop in response.body.chunks(bytes.max(1)) {
            self.write(drop)?;
            if !self.leave.sleep(pause) {
                break;
            }
        }
        Ok(End::Close)
    }

    fn endless(&mut self, response: &Response) -> Result<End> {
        self.head(response, "X-Fabric: endless")?;
        self.write(&response.body)?;
        let spaces = [b' '; 16_384];
        // The client ends it, or the fabric; either way nothing is wrong.
        while self.stream.write_all(&spaces).is_ok() {}
        Ok(End::Close)
    }

    fn oversize(&mut self, response: &Response, length: usize) -> Result<End> {
        self.head(response, &format!("Content-Length: {length}"))?;
        self.write(&response.body)?;
        let mut left = length.saturating_sub(response.body.len());
        let spaces = [b' '; 16_384];
        while left > 0 {
            let piece = spaces.get(..left).unwrap_or(&spaces);
            if self.stream.write_all(piece).is_err() {
                break;
            }
            left -= piece.len();
        }
        Ok(End::Close)
    }

    fn chunked(&mut self, response: &Response, bad: bool) -> Result<End> {
        self.head(response, "Transfer-Encoding: chunked")?;
        for (n, chunk) in response.body.chunks(1000).enumerate() {
            let size = if bad && n > 0 { "zz".to_owned() } else { format!("{:x}", chunk.len()) };
            self.write(format!("{size}\r\n").as_bytes())?;
            self.write(chunk)?;
            self.write(b"\r\n")?;
        }
        self.write(if bad { b"zz\r\n" } else { b"0\r\n\r\n" })?;
        Ok(End::Close)
    }

    fn head(&mut self, response: &Response, framing: &str) -> Result<()> {
        self.write(format!("{}{framing}\r\nConnection: close\r\n\r\n", response.head()).as_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)?;
        Ok(self.stream.flush()?)
    }
}

/// An idle connection is kept so long.
const IDLE: Duration = Duration::from_secs(75);
/// UTF-8's.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];
