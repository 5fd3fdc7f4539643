//! Attributes: type, length, value, padded to four bytes (include/uapi/linux/netlink.h, `struct nlattr`).

use nix::errno::Errno;

/// The bits of an attribute's type that aren't flags.
const TYPE_MASK: u16 = 0x3fff;
/// Flag: the value holds attributes.
const NESTED: u16 = 0x8000;
/// Bytes of `struct nlattr`.
const HEADER: usize = 4;

/// Attributes being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Vec<u8>);

impl Attributes {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Bytes as they are.
    #[must_use]
    pub(crate) fn bytes(mut self, kind: u16, value: &[u8]) -> Self {
        // Ours are far below 64 KiB; a longer one would be cut, and refused by the kernel.
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// A text, with its end mark.
    #[must_use]
    pub(crate) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// A number in network byte order, as nf_tables takes them.
    #[must_use]
    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Attributes within an attribute.
    #[must_use]
    pub(crate) fn nested(self, kind: u16, value: &Self) -> Self {
        self.bytes(kind | NESTED, &value.0)
    }

    /// What was written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Attributes that the kernel sent, in its order: type without flags, and value.
pub(crate) fn parse(mut bytes: &[u8]) -> nix::Result<Vec<(u16, &[u8])>> {
    let mut parsed = Vec::new();
    while !bytes.is_empty() {
        let [low, high, kind_low, kind_high, ..] = *bytes else { return Err(Errno::EBADMSG) };
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let value = bytes.get(HEADER..length).ok_or(Errno::EBADMSG)?;
        parsed.push((u16::from_ne_bytes([kind_low, kind_high]) & TYPE_MASK, value));
        // The last one may lack its padding.
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(parsed)
}

/// The value of the first attribute of a type.
pub(crate) fn find<'a>(attributes: &[(u16, &'a [u8])], kind: u16) -> Option<&'a [u8]> {
    attributes.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value)
}

/// The first attribute of a type as a number in network byte order.
pub(crate) fn number(attributes: &[(u16, &[u8])], kind: u16) -> Option<u32> {
    find(attributes, kind)?.try_into().ok().map(u32::from_be_bytes)
}

/// The first attribute of a type as a text without its end mark.
pub(crate) fn text(attributes: &[(u16, &[u8])], kind: u16) -> Option<String> {
    let bytes = find(attributes, kind)?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    Some(String::from_utf8_lossy(bytes.get(..end)?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_to_four_bytes_and_reads_back() {
        let inner = Attributes::new().number(3, 0x0102_0304);
        let written = Attributes::new().text(1, "ab").nested(2, &inner);
        let mut wanted = vec![7, 0, 1, 0, b'a', b'b', 0, 0];
        wanted.extend([12, 0, 2, 0x80, 8, 0, 3, 0, 1, 2, 3, 4]);
        assert_eq!(written.as_bytes(), wanted);
        let read = parse(written.as_bytes()).unwrap();
        assert_eq!(text(&read, 1).as_deref(), Some("ab"));
        assert_eq!(number(&parse(find(&read, 2).unwrap()).unwrap(), 3), Some(0x0102_0304));
        assert_eq!(find(&read, 4), None);
    }

    #[test]
    fn refuses_lengths_that_lie() {
        for bytes in [&[3, 0, 1, 0][..], &[0, 0, 1, 0], &[9, 0, 1, 0, 1, 2, 3, 4], &[4, 0, 1]] {
            assert_eq!(parse(bytes), Err(Errno::EBADMSG), "{bytes:?}");
        }
    }
}
