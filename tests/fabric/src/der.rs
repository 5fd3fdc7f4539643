//! As much DER (ITU-T X.690) as envelopes, signatures and the PFX need.

use anyhow::{Context, Result, ensure};
use openssl::asn1::Asn1Object;

/// One element: tag, length in the shortest form, content.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match (content.len() < 0x80, u8::try_from(length.len())) {
        (false, Ok(count)) => {
            der.push(0x80 | count);
            der.extend(length);
        }
        _ => der.push(length.first().copied().unwrap_or(0)),
    }
    der.extend_from_slice(content);
    der
}

/// A SEQUENCE of what is given.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &parts.concat())
}

/// An INTEGER of a small number.
pub fn small_integer(value: u8) -> Vec<u8> {
    element(INTEGER, &[value])
}

/// An INTEGER of an unsigned big-endian number.
pub fn unsigned_integer(value: &[u8]) -> Vec<u8> {
    let sign = value.first().is_none_or(|byte| *byte >= 0x80);
    let zero: &[u8] = if sign { &[0] } else { &[] };
    element(INTEGER, &[zero, value].concat())
}

/// An OBJECT IDENTIFIER in dotted form.
pub fn object(dotted: &str) -> Result<Vec<u8>> {
    Ok(element(OBJECT, Asn1Object::from_str(dotted)?.as_slice()))
}

/// An element taken apart: its content and what follows it.
pub fn open(tag: u8, der: &[u8]) -> Result<(&[u8], &[u8])> {
    let (found, rest) = der.split_first().context("no element")?;
    ensure!(*found == tag, "tag {found:#04x} where {tag:#04x} should be");
    let (first, rest) = rest.split_first().context("no length")?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).context("length is cut")?;
        ensure!(bytes.len() <= 4, "length of {} bytes", bytes.len());
        (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    rest.split_at_checked(length).context("content is cut")
}

/// INTEGER
pub const INTEGER: u8 = 0x02;
/// OCTET STRING
pub const OCTETS: u8 = 0x04;
/// OBJECT IDENTIFIER
pub const OBJECT: u8 = 0x06;
/// SEQUENCE
pub const SEQUENCE: u8 = 0x30;
/// SET
pub const SET: u8 = 0x31;
/// `[0]`, constructed
pub const CONTEXT_0: u8 = 0xa0;
/// `[0]`, primitive
pub const CONTEXT_0_PRIMITIVE: u8 = 0x80;
/// `[1]`, constructed
pub const CONTEXT_1: u8 = 0xa1;
/// NULL, whole
pub const NULL: &[u8] = &[0x05, 0x00];
