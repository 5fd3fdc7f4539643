//! As much of the D-Bus wire protocol as one call takes (D-Bus Specification 0.43, "Message Protocol").

use std::io::{Read, Write};

use waagent_common::bytes::u32_at;

/// Largest reply that is read, in bytes.
const MAX_REPLY: usize = 64 << 10;
/// Messages that aren't the reply (signals) before we give up.
const MAX_OTHERS: usize = 1000;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
/// Code of the header field with an error's name.
const ERROR_NAME: u8 = 4;

/// What a message is; the number of its type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Of a method, which is to answer.
    Call = 1,
    /// Of an event. A receiver without a match for it drops it.
    Signal = 4,
}

/// A message with text arguments.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Object.
    pub(crate) path: &'a str,
    /// Interface of the method or signal.
    pub(crate) interface: &'a str,
    /// Method or signal.
    pub(crate) member: &'a str,
    /// Whom it is for.
    pub(crate) destination: &'a str,
    /// Its arguments, all texts.
    pub(crate) arguments: &'a [&'a str],
}

impl Message<'_> {
    /// As it is sent: little-endian, serial 1.
    #[expect(clippy::as_conversions, reason = "an enum's discriminant, below 256")]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for argument in self.arguments {
            align(&mut body, 4);
            text(&mut body, argument);
        }
        let mut fields = Vec::new();
        for (code, kind, value) in [
            (1, b'o', self.path),
            (2, b's', self.interface),
            (3, b's', self.member),
            (6, b's', self.destination),
        ] {
            field(&mut fields, code, kind);
            align(&mut fields, 4);
            text(&mut fields, value);
        }
        field(&mut fields, 8, b'g');
        signature(&mut fields, &"s".repeat(self.arguments.len()));
        let mut message = vec![b'l', self.kind as u8, 0, 1];
        message.extend(length(&body));
        message.extend(1_u32.to_le_bytes());
        message.extend(length(&fields));
        message.extend(&fields);
        align(&mut message, 8);
        message.extend(body);
        message
    }
}

/// A header field's code and the type of its value. The fields begin 16 bytes into the message, so 8 divides both.
fn field(fields: &mut Vec<u8>, code: u8, kind: u8) {
    align(fields, 8);
    fields.push(code);
    fields.extend([1, kind, 0]);
}

fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    bytes.extend(length(value.as_bytes()));
    bytes.extend(value.as_bytes());
    bytes.push(0);
}

fn signature(bytes: &mut Vec<u8>, value: &str) {
    // Signatures here are a few letters.
    bytes.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
    bytes.extend(value.as_bytes());
    bytes.push(0);
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// Makes ourselves known as uid 0, by the credentials of the socket.
pub(crate) fn authenticate(stream: &mut (impl Read + Write)) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Unsettled(format!("cannot talk to it: {error}"));
    // 30 is the hexadecimal form of the text "0", our uid.
    stream.write_all(b"\0AUTH EXTERNAL 30\r\n").map_err(failed)?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(failed)?;
        line.extend(byte);
        if line.len() > 1024 {
            return Err(Failure::Unsettled("it doesn't speak D-Bus".to_owned()));
        }
    }
    if !line.starts_with(b"OK ") {
        let why = format!("it refuses us: {}", String::from_utf8_lossy(&line).trim());
        return Err(Failure::Unsettled(why));
    }
    stream.write_all(b"BEGIN\r\n").map_err(failed)
}

/// What a machine that goes down says to a start (`BUS_ERROR_TRANSACTION_IS_DESTRUCTIVE` of systemd): the next boot will
/// do it.
const GOING_DOWN: &[u8] = b"org.freedesktop.systemd1.TransactionIsDestructive";

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The answer is no; its text.
    Refused(String),
    /// Not now, or nobody knows whether it was heard.
    Unsettled(String),
}

/// Waits for the reply to the one call that was made.
pub(crate) fn reply(stream: &mut impl Read) -> Result<(), Failure> {
    for _ in 0..MAX_OTHERS {
        let (kind, fields, rest) = message(stream)?;
        match kind {
            RETURN => return Ok(()),
            ERROR => {
                let (header, body) = rest.split_at_checked(fields.next_multiple_of(8)).unwrap_or_default();
                let why = first_text(body);
                let is_going_down = error_name(header.get(..fields).unwrap_or_default()) == Some(GOING_DOWN);
                return Err(if is_going_down { Failure::Unsettled(why) } else { Failure::Refused(why) });
            }
            _ => {}
        }
    }
    Err(Failure::Unsettled("no reply among 1000 messages".to_owned()))
}

/// The value of the header field that names an error (code 4), if all fields before it are of the types that headers
/// have: texts, numbers of four bytes, signatures.
fn error_name(fields: &[u8]) -> Option<&[u8]> {
    let mut at = 0_usize;
    loop {
        at = at.checked_next_multiple_of(8)?;
        let [code, 1, kind, 0] = *fields.get(at..at.checked_add(4)?)? else { return None };
        at += 4;
        let value = match kind {
            b'g' => {
                let length = usize::from(*fields.get(at)?);
                fields.get(at + 1..at + 1 + length + 1)?
            }
            b's' | b'o' => {
                let length = number(fields, at)?;
                at += 4;
                fields.get(at..at.checked_add(length)?.checked_add(1)?)?
            }
            b'u' => fields.get(at..at.checked_add(4)?)?,
            _ => return None,
        };
        if code == ERROR_NAME {
            return value.strip_suffix(b"\0").filter(|_| kind == b's');
        }
        at += value.len() + usize::from(kind == b'g');
    }
}

/// The next message: its kind, the length of its header's fields, and these with the body.
fn message(stream: &mut impl Read) -> Result<(u8, usize, Vec<u8>), Failure> {
    let bad = |why: &str| Failure::Unsettled(why.to_owned());
    let mut head = [0; 16];
    stream.read_exact(&mut head).map_err(|error| bad(&format!("no reply: {error}")))?;
    let [order, kind, ..] = head;
    if order != b'l' {
        return Err(bad("a reply in another byte order"));
    }
    let length = |at| number(&head, at).ok_or_else(|| bad("a short reply"));
    let (body, fields) = (length(4)?, length(12)?);
    let rest = fields.checked_next_multiple_of(8).and_then(|fields| fields.checked_add(body));
    let rest = rest.filter(|rest| *rest <= MAX_REPLY).ok_or_else(|| bad("a reply over 64 KiB"))?;
    let mut bytes = vec![0; rest];
    stream.read_exact(&mut bytes).map_err(|error| bad(&format!("no whole reply: {error}")))?;
    Ok((kind, fields, bytes))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    u32_at(bytes, at).and_then(|number| usize::try_from(number).ok())
}

/// The first argument of an error reply, which by custom is its text.
fn first_text(body: &[u8]) -> String {
    let text = number(body, 0).and_then(|length| body.get(4..4_usize.checked_add(length)?));
    text.map_or_else(
        || "an error without a text".to_owned(),
        |text| waagent_common::text::shown(&String::from_utf8_lossy(text)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error whose header says who sent it (code 7) before it says its name (code 4).
    fn error(sender: &str, name: &str) -> Vec<u8> {
        let mut fields = vec![5, 1, b'u', 0, 1, 0, 0, 0];
        for (code, value) in [(7, sender), (4, name)] {
            field(&mut fields, code, b's');
            text(&mut fields, value);
        }
        field(&mut fields, 8, b'g');
        signature(&mut fields, "s");
        let mut body = Vec::new();
        text(&mut body, "not so");
        let mut message = vec![b'l', ERROR, 1, 1];
        message.extend([length(&body), length(&[0; 7]), length(&fields)].concat());
        message.extend(fields);
        align(&mut message, 8);
        message.extend(body);
        message
    }

    #[test]
    fn an_error_is_known_by_its_name_and_by_nothing_else_that_says_the_same() {
        let going_down = std::str::from_utf8(GOING_DOWN).unwrap();
        let refused = "org.freedesktop.systemd1.UnitMasked";
        for (sender, name, expected) in [
            (":1.1", going_down, Failure::Unsettled("not so".to_owned())),
            (going_down, refused, Failure::Refused("not so".to_owned())),
            (":1.1", &format!("{going_down}Too"), Failure::Refused("not so".to_owned())),
        ] {
            assert_eq!(reply(&mut error(sender, name).as_slice()), Err(expected), "{sender} {name}");
        }
    }

    #[test]
    fn a_header_that_ends_within_a_field_names_no_error() {
        let whole = error(":1.1", "a.b");
        let fields = whole.get(16..).unwrap();
        assert_eq!(error_name(fields), Some(&b"a.b"[..]));
        for end in 0..20 {
            assert_eq!(error_name(fields.get(..end).unwrap()), None, "{end}");
        }
        assert_eq!(error_name(&[4, 1, b's', 0, 255, 255, 255, 255]), None);
        assert_eq!(error_name(&[9, 1, b'a', 0, 0, 0, 0, 0]), None);
    }
}
