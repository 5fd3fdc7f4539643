//! Messages: a header of sixteen bytes and a body, padded to four bytes (`struct nlmsghdr`).

use nix::errno::Errno;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// A message that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// What it is.
    pub(crate) kind: u16,
    /// `NLM_F_...`; `NLM_F_REQUEST` is added.
    pub(crate) flags: u16,
    /// Family header and attributes.
    pub(crate) body: Vec<u8>,
}

/// A message that the kernel sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What it is.
    pub(crate) kind: u16,
    /// `NLM_F_...`.
    pub(crate) flags: u16,
    /// The number of the request that it answers.
    pub(crate) sequence: u32,
    /// Family header and attributes.
    pub(crate) body: Vec<u8>,
}

/// Messages as one buffer, numbered from 1.
pub(crate) fn encode(messages: &[Message]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, message) in (1_u32..).zip(messages) {
        // Ours are some hundred bytes.
        let length = u32::try_from(HEADER + message.body.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(message.kind.to_ne_bytes());
        bytes.extend((message.flags | REQUEST).to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(&message.body);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The messages in a buffer that the kernel filled.
pub(crate) fn decode(mut bytes: &[u8]) -> nix::Result<Vec<Reply>> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or(Errno::EBADMSG)?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).map_err(|_| Errno::EBADMSG)?;
        let body = bytes.get(HEADER..length).ok_or(Errno::EBADMSG)?;
        replies.push(Reply {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            body: body.to_vec(),
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(replies)
}

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLM_F_ACK`: say also that it went well.
pub(crate) const ACK: u16 = 4;
/// `NLM_F_DUMP`: all there is.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`: make it if it isn't there.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: behind the others.
pub(crate) const APPEND: u16 = 0x800;
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
pub(crate) const INTERRUPTED: u16 = 0x10;
/// `NLMSG_ERROR`: an error number, 0 for "went well".
pub(crate) const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub(crate) const DONE: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_messages_and_reads_them_back() {
        let sent = [
            Message { kind: 0xa00, flags: ACK, body: vec![2, 0, 0, 0, 9] },
            Message { kind: 0x11, flags: 0, body: vec![2, 0, 0, 10] },
        ];
        let bytes = encode(&sent);
        assert_eq!(bytes.len(), 24 + 20);
        assert_eq!(bytes[..16], [21, 0, 0, 0, 0, 10, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let read = decode(&bytes).unwrap();
        assert_eq!(
            (read[0].kind, read[0].sequence, read[0].body.as_slice()),
            (0xa00, 1, &[2, 0, 0, 0, 9][..])
        );
        assert_eq!((read[1].kind, read[1].sequence), (0x11, 2));
    }

    #[test]
    fn refuses_messages_that_are_cut_or_shorter_than_their_header() {
        let bytes = encode(&[Message { kind: 3, flags: 0, body: vec![0; 8] }]);
        assert_eq!(decode(&bytes[..20]), Err(Errno::EBADMSG));
        assert_eq!(decode(&bytes[..10]), Err(Errno::EBADMSG));
        let mut short = bytes;
        short[0] = 8;
        assert_eq!(decode(&short), Err(Errno::EBADMSG));
    }
}
