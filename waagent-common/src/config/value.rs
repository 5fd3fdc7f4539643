//! What a written value means for its key.

use std::net::Ipv4Addr;

use super::table::{Form, Kind};

/// A value in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Switch(bool),
    Integer(u64),
    Text(String),
    /// `None`, for a key that may be without a value.
    Nothing,
}

/// What became of a written value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As written.
    Good(Value),
    /// Something else than written, for this reason.
    Changed(Value, String),
    /// The default, for this reason.
    Bad(String),
    /// No program may work with it, for this reason.
    Fatal(String),
}

/// Judges `text`, written for a key of this kind.
pub(super) fn judge(kind: Kind, text: &str) -> Verdict {
    if text.len() > LONGEST {
        return Verdict::Bad(format!("over {LONGEST} bytes are not accepted"));
    }
    match kind {
        Kind::Switch { .. } => switch(text),
        Kind::Integer { least, most, .. } | Kind::OptionalInteger { least, most, .. } => {
            integer(text, least, most)
        }
        Kind::Text { default, form } => string(text, default, form),
        Kind::OptionalText { form } => string(text, "", form),
    }
}

fn switch(text: &str) -> Verdict {
    match text {
        "y" | "Y" => Verdict::Good(Value::Switch(true)),
        "n" | "N" => Verdict::Good(Value::Switch(false)),
        _ => Verdict::Bad("write y or n".to_owned()),
    }
}

/// A sign, digits, single `_` between digits: what Python's `int()` takes, in ASCII.
fn integer(text: &str, least: u64, most: u64) -> Verdict {
    let accepted = format!("write a whole number from {least} to {most}");
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits.split('_').all(are_digits) {
        return Verdict::Bad(accepted);
    }
    let size = digits
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    let number = if is_negative { 0 } else { size };
    let clamped = number.clamp(least, most);
    if clamped == number && (!is_negative || size == 0) {
        Verdict::Good(Value::Integer(number))
    } else {
        Verdict::Changed(Value::Integer(clamped), accepted)
    }
}

fn string(text: &str, default: &str, form: Form) -> Verdict {
    let kept = || Value::Text(text.to_owned());
    match form {
        Form::Any => Verdict::Good(kept()),
        Form::Path => path(text),
        Form::Fixed if text.trim_end_matches('/') == default => {
            Verdict::Good(Value::Text(default.to_owned()))
        }
        Form::Fixed => {
            Verdict::Fatal(format!("only {default} is possible: the sandbox and the labels are made for it"))
        }
        Form::Word(words, _) if words.contains(&text) => Verdict::Good(kept()),
        Form::Word(words, otherwise) => {
            Verdict::Changed(Value::Text(otherwise.to_owned()), format!("write one of {}", words.join(", ")))
        }
        Form::Known(words) if words.contains(&text) => Verdict::Good(kept()),
        Form::Known(words) => Verdict::Changed(
            kept(),
            format!("write one of {}; another word is taken for disabled", words.join(", ")),
        ),
        Form::KeyType => key_type(text),
        Form::Proxy => proxy(text),
        Form::Addresses => match addresses(text) {
            Some(_) => Verdict::Good(kept()),
            None => Verdict::Bad(
                "write up to 8 IPv4 addresses of single machines, separated by commas".to_owned(),
            ),
        },
    }
}

fn path(text: &str) -> Verdict {
    let is_plain = text.starts_with('/') && text.split('/').all(|part| part != "..");
    let trimmed = text.trim_end_matches('/');
    if is_plain && !trimmed.is_empty() {
        Verdict::Good(Value::Text(trimmed.to_owned()))
    } else {
        Verdict::Bad("write an absolute path without '..'".to_owned())
    }
}

fn key_type(text: &str) -> Verdict {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match text {
        "dsa" => Verdict::Bad("OpenSSH dropped dsa; write rsa, ecdsa, ed25519 or auto".to_owned()),
        _ if (1..=16).contains(&text.len()) && text.bytes().all(is_plain) => {
            Verdict::Good(Value::Text(text.to_owned()))
        }
        _ => Verdict::Bad("write rsa, ecdsa, ed25519 or auto".to_owned()),
    }
}

/// Credentials are cut out, and what is left still holds the `@`: the fetcher refuses it then, and never goes direct.
fn proxy(text: &str) -> Verdict {
    match text.rsplit_once('@') {
        None => Verdict::Good(Value::Text(text.to_owned())),
        Some((_, host)) => Verdict::Changed(
            Value::Text(format!("***@{host}")),
            "a proxy with credentials is not supported and every request through it will fail; write host:port".to_owned(),
        ),
    }
}

/// The addresses in a list, if all of them are addresses of single machines.
pub(super) fn addresses(text: &str) -> Option<Vec<Ipv4Addr>> {
    let words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let parsed: Option<Vec<Ipv4Addr>> = words.map(|word| word.parse().ok()).collect();
    let is_single =
        |address: &Ipv4Addr| !(address.is_multicast() || address.is_broadcast() || address.is_unspecified());
    parsed.filter(|list| list.len() <= MOST_ADDRESSES && list.iter().all(is_single))
}

/// Bytes of a value; a path is that long at most.
const LONGEST: usize = 4096;
const MOST_ADDRESSES: usize = 8;
