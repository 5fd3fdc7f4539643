//! The fetcher's side: names a target to the gate, and hears the gate's word before the answer.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::root::Root;
use crate::text::one_line;

use super::protocol::{Answer, CONNECT_TIME, COUNTS, MAX_REASON, SOCKET, Target};

/// How long a request waits for a place in the gate's queue, in seconds.
const PATIENCE: i64 = 8;

/// Opens a stream for one request to a target. Takes at most eight seconds.
///
/// What the gate says is to be heard ([`hear`]) before the answer is read.
pub fn stream_to(root: &Root, target: Target) -> Result<OwnedFd, GateError> {
    let path = root.runtime_path(SOCKET);
    let gate = reach(&path, PATIENCE).map_err(|error| GateError::NoGate(path, error.into()))?;
    match send(gate.as_raw_fd(), &[target.byte()], MsgFlags::MSG_NOSIGNAL) {
        // It hangs up on strangers without reading; why, is in what it sent before.
        Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(gate),
        Err(error) => Err(GateError::Silent(error.into())),
    }
}

/// Hears the gate's word, which must have come: is what follows the target's answer?
pub fn hear(gate: BorrowedFd<'_>, target: Target) -> Result<(), GateError> {
    let mut word = [0];
    let length = receive(gate, &mut word).map_err(|error| GateError::Silent(error.into()))?;
    match (length, Answer::from_byte(word[0])) {
        (0, _) => Err(GateError::Silent(io::ErrorKind::UnexpectedEof.into())),
        (_, Some(Answer::Connected)) => Ok(()),
        (_, Some(Answer::Denied)) => Err(GateError::Denied(target, reason(gate))),
        (_, Some(answer)) => Err(GateError::Answered(target, answer)),
        (_, None) => Err(GateError::Nonsense),
    }
}

/// Sent with its word, and at once.
fn reason(gate: BorrowedFd<'_>) -> String {
    let mut line = [0; MAX_REASON];
    // A gate that said only no has said enough.
    let length = receive(gate, &mut line).unwrap_or(0);
    first_line(line.get(..length).unwrap_or_default())
}

fn first_line(bytes: &[u8]) -> String {
    one_line(String::from_utf8_lossy(bytes).lines().next().unwrap_or_default(), MAX_REASON)
}

fn receive(gate: BorrowedFd<'_>, bytes: &mut [u8]) -> nix::Result<usize> {
    loop {
        match recv(gate.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EINTR) => {}
            received => return received,
        }
    }
}

/// For root: what the gate has let pass and refused since it started, in one line. Takes at most two seconds.
pub fn counts(root: &Root) -> Result<String, GateError> {
    let path = root.runtime_path(SOCKET);
    let gate = reach(&path, 1).map_err(|error| GateError::NoGate(path, error.into()))?;
    let told = setsockopt(&gate, sockopt::ReceiveTimeout, &TimeVal::seconds(1))
        .and_then(|()| send(gate.as_raw_fd(), &[COUNTS], MsgFlags::MSG_NOSIGNAL));
    told.map_err(|error| GateError::Silent(error.into()))?;
    let mut line = [0; MAX_REASON];
    match recv(gate.as_raw_fd(), &mut line, MsgFlags::empty()) {
        Ok(0) => Err(GateError::Silent(io::ErrorKind::UnexpectedEof.into())),
        Ok(length) => Ok(first_line(line.get(..length).unwrap_or_default())),
        Err(error) => Err(GateError::Silent(error.into())),
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum GateError {
    /// No gate listens on this socket.
    NoGate(PathBuf, io::Error),
    /// The gate took the request, and went silent.
    Silent(io::Error),
    /// The gate doesn't let the request pass, for this reason.
    Denied(Target, String),
    /// The gate said why not.
    Answered(Target, Answer),
    /// What came back is no word of the gate's.
    Nonsense,
}

impl GateError {
    /// Did the gate read the request and refuse it? The same one will be refused again.
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::Denied(..))
    }
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
            Self::Denied(target, reason) => {
                write!(f, "the gate lets no such request pass to {target}: {reason}")
            }
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
        Answer::Failed | Answer::Denied | Answer::Connected => "the gate failed; see its log".to_owned(),
    }
}

/// `patience` for a place in its queue, in seconds.
fn reach(path: &Path, patience: i64) -> nix::Result<OwnedFd> {
    let address = UnixAddr::new(path)?;
    let gate = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&gate, sockopt::SendTimeout, &TimeVal::seconds(patience))?;
    connect(gate.as_raw_fd(), &address)?;
    Ok(gate)
}
