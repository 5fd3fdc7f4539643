//! Lease files of ISC dhclient (dhclient.leases(5)): blocks `lease { ... }`, the last valid one holds.

use std::net::Ipv4Addr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use waagent_common::fault::Fault;

use super::Found;

/// What the option is called: by number where nobody gave it a name.
const NAMES: [&str; 2] = ["unknown-245", "private-245"];

/// Reads a file at a time given in seconds since 1970; the warnings name lines, counted from 1.
pub(crate) fn parse(text: &str, now: i64) -> (Found, Vec<String>) {
    let (mut found, mut warnings) = (Found::default(), Vec::new());
    let mut block = Block::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let outcome = if line.starts_with("lease") {
            block = Block { open: true, ..Block::default() };
            Ok(())
        } else if line == "}" {
            if let Some(address) = block.address.filter(|_| block.open && block.valid) {
                found = Found { address: Some(address), interface: block.interface.take() };
            }
            block = Block::default();
            Ok(())
        } else {
            block.take(line, now)
        };
        if let Err(fault) = outcome {
            warnings.push(format!("line {number}: {fault}"));
        }
    }
    (found, warnings)
}

#[derive(Default)]
struct Block {
    open: bool,
    valid: bool,
    address: Option<Ipv4Addr>,
    interface: Option<String>,
}

impl Block {
    fn take(&mut self, line: &str, now: i64) -> Result<(), Fault> {
        let statement = line.split_once(';').map_or(line, |(statement, _comment)| statement);
        if let Some(name) = statement.strip_prefix("interface ") {
            self.interface = Some(name.trim().trim_matches('"').chars().take(15).collect());
        } else if let Some(when) = statement.strip_prefix("expire ") {
            self.valid =
                expiry(when).ok_or_else(|| Fault::data("no time of expiry; taken as expired"))? > now;
        } else if let Some(option) = statement.strip_prefix("option ")
            && let Some((name, value)) = option.split_once(' ')
            && NAMES.contains(&name)
        {
            self.address =
                Some(address(value.trim()).ok_or_else(|| Fault::data("option 245 isn't 4 bytes"))?);
        }
        Ok(())
    }
}

/// `5 2024/02/12 17:40:53` (UTC), `epoch 1700000000` or `never`.
fn expiry(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["never"] => Some(i64::MAX),
        ["epoch", seconds] => seconds.parse().ok(),
        [_weekday, date, time] => {
            let when = DateTime::strptime("%Y/%m/%d %H:%M:%S", format!("{date} {time}")).ok()?;
            Some(when.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
        }
        _ => None,
    }
}

/// `a8:3f:81:10`, or the same four bytes as a quoted text where dhclient finds them printable.
fn address(value: &str) -> Option<Ipv4Addr> {
    let bytes = match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unquote(quoted)?,
        None => value
            .split(':')
            .map(|digits| (digits.len() <= 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten())
            .collect::<Option<Vec<u8>>>()?,
    };
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

/// `\"` and `\\` stand for the character, `\250` for the byte of that octal number.
fn unquote(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    loop {
        match *rest {
            [] => return Some(bytes),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ref after @ ..] => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                rest = after;
            }
            [b'\\'] => return None,
            [b'\\', byte, ref after @ ..] | [byte, ref after @ ..] => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
}
