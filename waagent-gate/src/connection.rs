//! One peer: its head comes and is judged, the platform is connected, bytes go both ways. Never blocks.

use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, connect, getsockopt, setsockopt, socket,
    sockopt,
};
use waagent_common::gate::protocol::{
    Answer, CONNECT_TIME, COUNTS, HEAD_TIME, IDLE_TIME, MAX_REASON, Target, WHOLE_TIME,
};
use waagent_common::log;
use waagent_common::text::one_line;

use crate::counts::Counts;
use crate::exchange::{Exchange, Progress};
use crate::office::{Office, PER_SECOND};
use crate::peer::{answer, say, take};
use crate::refusal::Refusal;
use crate::request::{Request, judge};

/// A peer that was accepted, until its request has ended.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: OwnedFd,
    is_root: bool,
    stage: Stage,
    /// When it was accepted.
    begun: Instant,
    /// When its stage last went on.
    moved: Instant,
}

#[derive(Debug)]
enum Stage {
    /// The byte that names a target, and a head: what has come of them.
    Asking(Vec<u8>),
    /// The platform hasn't accepted yet.
    Connecting(OwnedFd, Target, Passed),
    /// Both ways.
    Exchanging(Exchange),
    /// It has the whole answer, and may still be reading it.
    Delivered,
    Over,
}

/// A request that passes, with what has come of its body.
#[derive(Debug)]
struct Passed {
    request: Request,
    body: Vec<u8>,
}

impl Connection {
    /// A peer that may ask.
    pub(crate) fn new(peer: OwnedFd, is_root: bool, now: Instant) -> Self {
        Self { peer, is_root, stage: Stage::Asking(Vec::new()), begun: now, moved: now }
    }

    /// What to wait for: at the peer, and at the platform where something is awaited there.
    pub(crate) fn awaited(&self) -> [Option<(BorrowedFd<'_>, PollFlags)>; 2] {
        let peer = |events| Some((self.peer.as_fd(), events | PollFlags::POLLPRI));
        match &self.stage {
            Stage::Asking(_) => [peer(PollFlags::POLLIN), None],
            // Its going away is always told. What it still sends of a request that was answered early isn't read.
            Stage::Delivered | Stage::Over => [Some((self.peer.as_fd(), PollFlags::empty())), None],
            Stage::Connecting(socket, ..) => {
                [peer(PollFlags::empty()), Some((socket.as_fd(), PollFlags::POLLOUT))]
            }
            Stage::Exchanging(exchange) => [peer(exchange.of_peer()), exchange.of_platform()],
        }
    }

    /// When waiting ends.
    pub(crate) fn deadline(&self) -> Instant {
        let stage = match self.stage {
            Stage::Asking(_) => HEAD_TIME,
            Stage::Connecting(..) => CONNECT_TIME,
            Stage::Exchanging(_) | Stage::Delivered => IDLE_TIME,
            Stage::Over => Duration::ZERO,
        };
        (self.moved + stage).min(self.begun + WHOLE_TIME)
    }

    /// Is the peer root?
    pub(crate) fn is_root(&self) -> bool {
        self.is_root
    }

    /// Has its request ended, well or not?
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Goes on after something that was awaited has happened; `events` are those of the peer.
    pub(crate) fn advance(&mut self, office: &mut Office, events: PollFlags, now: Instant) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        // It has gone: there is nobody to answer.
        if events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            return;
        }
        // Such a byte is never read, and would wake us for ever.
        if events.contains(PollFlags::POLLPRI) {
            return office.counts.refuse(Refusal::new("a byte out of band"));
        }
        match stage {
            Stage::Asking(bytes) => {
                if let Err(refusal) = self.asked(bytes, office, now) {
                    self.deny(refusal, &mut office.counts);
                }
            }
            Stage::Connecting(socket, target, passed) => {
                // A socket that can't say whether it is connected, isn't.
                let errno = getsockopt(&socket, sockopt::SocketError).map_or(Errno::EIO, Errno::from_raw);
                self.settle(socket, passed, errno, now).unwrap_or_else(|errno| {
                    self.fail(target, errno, &mut office.counts);
                });
            }
            Stage::Exchanging(exchange) => self.exchange(exchange, &mut office.counts, now),
            Stage::Delivered | Stage::Over => {}
        }
    }

    /// Gives up when the time has come.
    pub(crate) fn expire(&mut self, counts: &mut Counts, now: Instant) {
        if now < self.deadline() {
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Asking(_) => {
                let seconds = HEAD_TIME.as_secs();
                self.deny(Refusal::new(format!("no whole head within {seconds} s")), counts);
            }
            Stage::Connecting(..) => answer(self.peer.as_fd(), Answer::TimedOut),
            Stage::Exchanging(_) => log::verbose("gave a request up: nothing moved, or for too long"),
            Stage::Delivered | Stage::Over => {}
        }
    }

    fn asked(&mut self, mut bytes: Vec<u8>, office: &mut Office, now: Instant) -> Result<(), Refusal> {
        if !take(self.peer.as_fd(), &mut bytes) {
            return Ok(());
        }
        let Some((byte, head)) = bytes.split_first() else {
            self.stage = Stage::Asking(bytes);
            return Ok(());
        };
        if self.is_root && *byte == COUNTS {
            self.tell(&office.counts.to_string());
            return Ok(());
        }
        let target =
            Target::from_byte(*byte).ok_or_else(|| Refusal::new("a first byte that names no target"))?;
        let Some(address) = office.documents.address_of(target) else {
            answer(self.peer.as_fd(), Answer::NotAllowed);
            return Ok(());
        };
        let Some(request) = judge(head, target, address, || office.documents.own_certificate())? else {
            self.stage = Stage::Asking(bytes);
            return Ok(());
        };
        let body = head.get(request.length..).unwrap_or_default().to_vec();
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > request.body {
            return Err(Refusal::new("more bytes than the Content-Length announced"));
        }
        if !request.is_complete(target, &body)? {
            self.stage = Stage::Asking(bytes);
            return Ok(());
        }
        office.counts.pass();
        self.connect(target, address, Passed { request, body }, office, now);
        Ok(())
    }

    fn connect(
        &mut self,
        target: Target,
        address: SocketAddrV4,
        passed: Passed,
        office: &mut Office,
        now: Instant,
    ) {
        if !office.pace.allows(now) {
            answer(self.peer.as_fd(), Answer::Failed);
            return office.counts.fail(&format!("more than {PER_SECOND} connections in a second"));
        }
        self.moved = now;
        let begun = match begin(address) {
            Ok((socket, Errno::EINPROGRESS)) => {
                self.stage = Stage::Connecting(socket, target, passed);
                Ok(())
            }
            Ok((socket, errno)) => self.settle(socket, passed, errno, now),
            Err(errno) => Err(errno),
        };
        begun.unwrap_or_else(|errno| self.fail(target, errno, &mut office.counts));
    }

    fn settle(&mut self, socket: OwnedFd, passed: Passed, errno: Errno, now: Instant) -> nix::Result<()> {
        if errno != Errno::UnknownErrno {
            return Err(errno);
        }
        answer(self.peer.as_fd(), Answer::Connected);
        let Passed { request, body } = passed;
        let come = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let begin = [request.head, body].concat();
        let left = request.body.saturating_sub(come);
        self.moved = now;
        self.stage = Stage::Exchanging(Exchange::new(socket, begin, left, request.answer));
        Ok(())
    }

    /// The target can't be connected.
    fn fail(&self, target: Target, errno: Errno, counts: &mut Counts) {
        let word = failure(errno);
        if word == Answer::Failed {
            counts.fail(&format!("cannot connect to {target}: {errno}"));
        }
        answer(self.peer.as_fd(), word);
    }

    fn exchange(&mut self, mut exchange: Exchange, counts: &mut Counts, now: Instant) {
        match exchange.advance(self.peer.as_fd()) {
            Progress::Goes(has_moved) => {
                if has_moved {
                    self.moved = now;
                }
                self.stage = Stage::Exchanging(exchange);
            }
            Progress::Delivered => {
                self.moved = now;
                self.stage = Stage::Delivered;
            }
            Progress::Broken(why) => log::verbose(&format!("broke a request off: {why}")),
            Progress::Refused(refusal) => counts.refuse(refusal),
        }
    }

    fn deny(&self, refusal: Refusal, counts: &mut Counts) {
        let word = char::from(Answer::Denied.byte());
        self.tell(&format!("{word}{refusal}"));
        counts.refuse(refusal);
    }

    /// Says one line.
    fn tell(&self, line: &str) {
        let line = one_line(line, MAX_REASON - 1) + "\n";
        say(self.peer.as_fd(), line.as_bytes());
    }
}

/// Starts a connection; [`Errno::UnknownErrno`], which is 0, means that it stands already.
fn begin(address: SocketAddrV4) -> nix::Result<(OwnedFd, Errno)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, SockProtocol::Tcp)?;
    // Head and body are written one after the other: the second mustn't wait for the first one's acknowledgement.
    setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
    let errno = match connect(socket.as_raw_fd(), &SockaddrIn::from(address)) {
        Ok(()) => Errno::UnknownErrno,
        Err(errno) => errno,
    };
    Ok((socket, errno))
}

fn failure(errno: Errno) -> Answer {
    match errno {
        Errno::ECONNREFUSED | Errno::ECONNRESET => Answer::Refused,
        Errno::ETIMEDOUT => Answer::TimedOut,
        Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::ENETDOWN | Errno::EHOSTDOWN => Answer::Unreachable,
        _ => Answer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use nix::poll::PollFd;
    use waagent_common::wait;

    use super::*;
    use crate::documents::Documents;

    /// A peer and a platform that are connected; what the gate holds of them, and their own ends.
    fn exchanging(begun: Instant, left: u64) -> (Connection, UnixStream, UnixStream) {
        let ((peer, own), (platform, its)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let mut connection = Connection::new(peer.into(), false, begun);
        connection.stage = Stage::Exchanging(Exchange::new(
            platform.into(),
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            left,
            1 << 20,
        ));
        (connection, own, its)
    }

    fn office() -> Office {
        Office::new(Documents::new(waagent_common::root::Root::new("/nowhere".as_ref()), Vec::new()))
    }

    fn moves(connection: &mut Connection, now: Instant) {
        connection.advance(&mut office(), PollFlags::empty(), now);
    }

    #[test]
    fn a_request_in_which_nothing_moves_ends_after_a_minute() {
        let begun = Instant::now();
        let (mut connection, _own, mut its) = exchanging(begun, 0);
        moves(&mut connection, begun);
        connection.expire(&mut office().counts, begun + Duration::from_secs(59));
        assert!(!connection.is_over());
        its.write_all(b"HTTP").unwrap();
        moves(&mut connection, begun + Duration::from_secs(59));
        connection.expire(&mut office().counts, begun + Duration::from_secs(118));
        assert!(!connection.is_over(), "a byte has moved");
        moves(&mut connection, begun + Duration::from_secs(118));
        connection.expire(&mut office().counts, begun + Duration::from_secs(119));
        assert!(connection.is_over(), "a look that moves nothing is no reason to wait longer");
    }

    #[test]
    fn a_request_that_drips_ends_after_a_quarter_of_an_hour() {
        let begun = Instant::now();
        let (mut connection, mut own, mut its) = exchanging(begun, 0);
        for second in (0..900).step_by(50) {
            its.write_all(b"x").unwrap();
            moves(&mut connection, begun + Duration::from_secs(second));
            own.read_exact(&mut [0]).unwrap();
            connection.expire(&mut office().counts, begun + Duration::from_secs(second));
            assert!(!connection.is_over(), "{second}");
        }
        connection.expire(&mut office().counts, begun + Duration::from_secs(900));
        assert!(connection.is_over());
    }

    #[test]
    fn who_still_sends_when_the_answer_is_whole_is_left_to_read_it() {
        let happens = |connection: &Connection| {
            let mut awaited: Vec<PollFd<'_>> = connection
                .awaited()
                .into_iter()
                .flatten()
                .map(|(fd, events)| PollFd::new(fd, events))
                .collect();
            wait::ready(&mut awaited, Some(Duration::ZERO)).unwrap()
        };
        let begun = Instant::now();
        let (mut connection, mut own, its) = exchanging(begun, 9);
        moves(&mut connection, begun);
        its.shutdown(std::net::Shutdown::Write).unwrap();
        moves(&mut connection, begun);
        own.write_all(b"body").unwrap();
        assert!(matches!(connection.stage, Stage::Delivered) && !happens(&connection));
        drop(own);
        assert!(happens(&connection));
    }

    #[test]
    fn who_never_takes_the_end_of_an_answer_is_left_after_a_minute() {
        let begun = Instant::now();
        let (mut connection, _own, its) = exchanging(begun, 0);
        drop(its);
        // The request can't be written any more; what was answered, nothing, is delivered.
        moves(&mut connection, begun);
        assert!(matches!(connection.stage, Stage::Delivered), "{:?}", connection.stage);
        connection.expire(&mut office().counts, begun + Duration::from_secs(59));
        assert!(!connection.is_over());
        connection.expire(&mut office().counts, begun + Duration::from_secs(60));
        assert!(connection.is_over());
    }
}
