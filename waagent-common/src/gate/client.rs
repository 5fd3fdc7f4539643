//! The fetcher's side: asks the gate for a connection, and gets a socket or the reason why not.

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

use crate::root::Root;
use crate::sys::fd::recv_fd;

use super::protocol::{Answer, CONNECT_TIME, SOCKET, Target};

/// How long to wait for the gate, in seconds: longer than it waits for a target and for a peer before us.
const PATIENCE: i64 = 8;

/// Opens a connection to a target, by the gate. Takes at most eight seconds.
///
/// The stream is blocking and has no time limits: the caller sets its own.
pub fn socket_to(root: &Root, target: Target) -> Result<TcpStream, GateError> {
    let path = root.runtime_path(SOCKET);
    let gate = reach(&path).map_err(|error| GateError::NoGate(path, error.into()))?;
    match send(gate.as_raw_fd(), &[target.byte()], MsgFlags::MSG_NOSIGNAL) {
        // It hangs up on strangers without reading; why, is in what it sent before.
        Ok(_) | Err(Errno::EPIPE) => {}
        Err(error) => return Err(GateError::Silent(error.into())),
    }
    let mut answer = [0; 2];
    let (length, socket) = match recv_fd(gate.as_fd(), &mut answer) {
        // Our byte came after it had answered a stranger: the answer is behind the error that its closing raised.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => recv_fd(gate.as_fd(), &mut answer),
        received => received,
    }
    .map_err(GateError::Silent)?;
    match (length, Answer::from_byte(answer[0]), socket) {
        (1, Some(Answer::Connected), Some(socket)) => open(socket),
        (1, Some(answer), None) if answer != Answer::Connected => Err(GateError::Answered(target, answer)),
        (0, ..) => Err(GateError::Silent(io::ErrorKind::UnexpectedEof.into())),
        _ => Err(GateError::Nonsense),
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub enum GateError {
    /// No gate listens on this socket.
    NoGate(PathBuf, io::Error),
    /// The gate took the request, and went silent.
    Silent(io::Error),
    /// The gate said why not.
    Answered(Target, Answer),
    /// What came back is no answer of the gate's.
    Nonsense,
}

impl fmt::Display for GateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGate(path, cause) => {
                write!(f, "cannot reach the gate on '{}': {cause}; run ", path.display())?;
                f.write_str("'systemctl start waagent-gate.socket waagent-gate.service'")
            }
            Self::Silent(cause) => write!(f, "no answer from the gate: {cause}; see its log"),
            Self::Nonsense => f.write_str("the gate's answer makes no sense; restart waagent-gate"),
            Self::Answered(target, answer) => write!(f, "cannot connect to {target}: {}", cause(*answer)),
        }
    }
}

impl std::error::Error for GateError {}

fn cause(answer: Answer) -> String {
    match answer {
        Answer::Refused => "connection refused".to_owned(),
        Answer::TimedOut => format!("no answer in {} s", CONNECT_TIME.as_secs()),
        Answer::Unreachable => "no route to it, or the network is down".to_owned(),
        Answer::NotAllowed => "the address in net/endpoint.json isn't allowed; \
            list it in Protocol.AllowedEndpoints and restart waagent-gate"
            .to_owned(),
        Answer::Stranger => "the gate serves only the user waagent-fetch".to_owned(),
        Answer::Unknown => "the gate knows no such target; both programs must be of one version".to_owned(),
        Answer::Failed | Answer::Connected => "the gate failed; see its log".to_owned(),
    }
}

fn reach(path: &Path) -> nix::Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let gate = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::seconds(PATIENCE);
    setsockopt(&gate, sockopt::SendTimeout, &patience)?;
    setsockopt(&gate, sockopt::ReceiveTimeout, &patience)?;
    connect(gate.as_raw_fd(), &address)?;
    Ok(gate)
}

fn open(socket: OwnedFd) -> Result<TcpStream, GateError> {
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false).map_err(GateError::Silent)?;
    Ok(stream)
}
