//! The encodings in which `ovf-env.xml` comes.

use waagent_common::bytes::pairs;
use waagent_common::xml;

use super::Refusal;

/// The file's text: UTF-8 with or without byte order mark, or UTF-16 with one; without the padding at its end.
pub fn decode(bytes: &[u8]) -> Result<String, Refusal> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => undeclared(&utf16(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => undeclared(&utf16(rest, u16::from_be_bytes)?),
        rest => xml::text_of(rest)?.to_owned(),
    };
    Ok(xml::without_padding(&text).to_owned())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Refusal> {
    match String::from_utf16(&pairs(bytes, unit)) {
        Ok(text) if bytes.len().is_multiple_of(2) => Ok(text),
        _ => Err(Refusal::parsing("byte order mark of UTF-16, but not UTF-16")),
    }
}

/// Without the declaration, which names an encoding that the text isn't in any more.
fn undeclared(text: &str) -> String {
    match text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest.to_owned(),
        None => text.to_owned(),
    }
}
