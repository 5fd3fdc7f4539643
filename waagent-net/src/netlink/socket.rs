//! A netlink socket: questions to the kernel, and transactions.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvfrom, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::message::{DONE, ERROR, INTERRUPTED, Message, Reply, decode, encode};

/// How long the kernel may take for an answer, in seconds. It answers at once; this is for the case that it doesn't.
const PATIENCE: i64 = 5;
/// Largest part of a dump: the kernel makes them 32 KiB at most (net/netlink/af_netlink.c, `netlink_dump`).
const PART: usize = 64 << 10;
/// Largest whole answer, in bytes.
const MAX: usize = 4 << 20;
/// How often a dump is begun again when the kernel says that it changed meanwhile.
const ATTEMPTS: usize = 5;

/// An open socket.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// To one of the kernel's subsystems.
    pub(crate) fn open(subsystem: SockProtocol) -> nix::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, subsystem)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Everything that answers a question: the bodies of messages of the kind `wanted`.
    pub(crate) fn dump(&self, question: &Message, wanted: u16) -> nix::Result<Vec<Vec<u8>>> {
        for _ in 0..ATTEMPTS {
            if let Some(bodies) = self.dump_once(question, wanted)? {
                return Ok(bodies);
            }
        }
        Err(Errno::EAGAIN)
    }

    fn dump_once(&self, question: &Message, wanted: u16) -> nix::Result<Option<Vec<Vec<u8>>>> {
        self.send(std::slice::from_ref(question))?;
        let (mut bodies, mut size, mut consistent) = (Vec::new(), 0, true);
        loop {
            for reply in self.receive()? {
                consistent &= reply.flags & INTERRUPTED == 0;
                size += reply.body.len();
                match reply.kind {
                    DONE => return Ok(consistent.then_some(bodies)),
                    ERROR => return Err(errno(&reply)),
                    kind if kind == wanted => bodies.push(reply.body),
                    _ => {}
                }
            }
            if size > MAX {
                return Err(Errno::EFBIG);
            }
        }
    }

    /// Sends messages that take effect together or not at all; `acknowledged` is the number of the last one that
    /// asks for an answer.
    ///
    /// The kernel answers each message with `NLM_F_ACK`, and whatever went wrong; the first error is the result.
    pub(crate) fn transact(&self, messages: &[Message], acknowledged: u32) -> nix::Result<()> {
        self.send(messages)?;
        loop {
            for reply in self.receive()? {
                if reply.kind != ERROR {
                    continue;
                }
                match errno(&reply) {
                    Errno::UnknownErrno if reply.sequence == acknowledged => return Ok(()),
                    Errno::UnknownErrno => {}
                    error => return Err(error),
                }
            }
        }
    }

    fn send(&self, messages: &[Message]) -> nix::Result<()> {
        let bytes = encode(messages);
        let sent = send(self.0.as_raw_fd(), &bytes, MsgFlags::empty())?;
        if sent == bytes.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
    }

    /// The next messages of the kernel; those of anybody else are passed over.
    fn receive(&self) -> nix::Result<Vec<Reply>> {
        let mut part = vec![0; PART];
        loop {
            let (length, sender) = recvfrom::<NetlinkAddr>(self.0.as_raw_fd(), &mut part)?;
            if sender.is_some_and(|sender| sender.pid() == 0) {
                return decode(part.get(..length).ok_or(Errno::EBADMSG)?);
            }
        }
    }
}

/// The error number of an error message (`struct nlmsgerr`); 0, which nix calls unknown, means that all went well.
fn errno(reply: &Reply) -> Errno {
    let Some((number, _)) = reply.body.split_first_chunk::<4>() else { return Errno::EBADMSG };
    Errno::from_raw(i32::from_ne_bytes(*number).saturating_neg())
}
