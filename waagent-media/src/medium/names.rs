//! Names and labels in the encodings of UDF and Joliet.

use waagent_common::bytes::pairs;

/// A name in OSTA compressed Unicode (UDF 2.01, 2.1.1): 8 bits or 16 bits, big-endian, a character.
pub(crate) fn osta(bytes: &[u8]) -> Option<String> {
    let (id, text) = bytes.split_first()?;
    match id {
        8 => Some(text.iter().map(|byte| char::from(*byte)).collect()),
        16 => utf16_be(text),
        _ => None,
    }
}

/// A text in a field of fixed length: the last byte says how many are used (ECMA-167 1/7.2.12).
pub(crate) fn dstring(field: &[u8]) -> String {
    let Some((used, text)) = field.split_last() else { return String::new() };
    text.get(..usize::from(*used)).and_then(osta).map(|text| tidy(&text)).unwrap_or_default()
}

/// UTF-16, big-endian; half a character is no name.
pub(crate) fn utf16_be(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    String::from_utf16(&pairs(bytes, u16::from_be_bytes)).ok()
}

/// Label without padding and control characters.
pub(crate) fn tidy(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
}
