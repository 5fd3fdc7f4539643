//! The fetcher's side: asks the dialer for a connection, and gets a socket or the reason why not.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use waagent_common::place::Place;
use waagent_common::sys::fd::recv_fd;

use super::protocol::{Answer, CONNECT_TIME, SOCKET, Target};

/// How long to wait for the dialer, in seconds: longer than it waits for a target and for a peer before us.
const PATIENCE: i64 = 8;

/// Opens a connection to a target, by the dialer. Takes at most eight seconds.
///
/// The stream is blocking and has no time limits: the caller sets its own.
pub fn dial(place: &Place, target: Target) -> Result<TcpStream, DialError> {
    let path = place.run(SOCKET);
    let dialer = reach(&path).map_err(|error| DialError::NoDialer(path, error.into()))?;
    match send(dialer.as_raw_fd(), &[target.byte()], MsgFlags::MSG_NOSIGNAL) {
        // It hangs up on strangers without reading; why, is in what it sent before.
        Ok(_) | Err(Errno::EPIPE) => {}
        Err(error) => return Err(DialError::Silent(error.into())),
    }
    let mut answer = [0; 2];
    let (length, socket) = match recv_fd(dialer.as_fd(), &mut answer) {
        // Our byte came after it had answered a stranger: the answer is behind the error that its closing raised.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => recv_fd(dialer.as_fd(), &mut answer),
        received => received,
    }
    .map_err(DialError::Silent)?;
    match (length, Answer::from_byte(answer[0]), socket) {
        (1, Some(Answer::Connected), Some(socket)) => open(socket),
        (1, Some(answer), None) if answer != Answer::Connected => Err(DialError::Answered(target, answer)),
        (0, ..) => Err(DialError::Silent(io::ErrorKind::UnexpectedEof.into())),
        _ => Err(DialError::Nonsense),
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// No dialer listens on this socket.
    NoDialer(PathBuf, io::Error),
    /// The dialer took the request, and went silent.
    Silent(io::Error),
    /// The dialer said why not.
    Answered(Target, Answer),
    /// What came back is no answer of the dialer's.
    Nonsense,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDialer(path, cause) => {
                write!(f, "cannot reach the dialer on '{}': {cause}; run ", path.display())?;
                f.write_str("'systemctl start waagent-dial.socket waagent-dial.service'")
            }
            Self::Silent(cause) => write!(f, "no answer from the dialer: {cause}; see its log"),
            Self::Nonsense => f.write_str("the dialer's answer makes no sense; restart waagent-dial"),
            Self::Answered(target, answer) => write!(f, "cannot connect to {target}: {}", cause(*answer)),
        }
    }
}

impl std::error::Error for DialError {}

fn cause(answer: Answer) -> String {
    match answer {
        Answer::Refused => "connection refused".to_owned(),
        Answer::TimedOut => format!("no answer in {} s", CONNECT_TIME.as_secs()),
        Answer::Unreachable => "no route to it, or the network is down".to_owned(),
        Answer::NotAllowed => "the address in net/endpoint.json isn't allowed; \
            list it in Protocol.AllowedEndpoints and restart waagent-dial"
            .to_owned(),
        Answer::Stranger => "the dialer serves only the user waagent-fetch".to_owned(),
        Answer::Unknown => "the dialer knows no such target; both programs must be of one version".to_owned(),
        Answer::Failed | Answer::Connected => "the dialer failed; see its log".to_owned(),
    }
}

fn reach(path: &Path) -> nix::Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let dialer = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::seconds(PATIENCE);
    setsockopt(&dialer, sockopt::SendTimeout, &patience)?;
    setsockopt(&dialer, sockopt::ReceiveTimeout, &patience)?;
    connect(dialer.as_raw_fd(), &address)?;
    Ok(dialer)
}

fn open(socket: OwnedFd) -> Result<TcpStream, DialError> {
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false).map_err(DialError::Silent)?;
    Ok(stream)
}
