//! Which virtual machine this is: the UUID that the platform puts into SMBIOS.

use std::path::Path;

use crate::durable::read_bounded;

/// Where the kernel shows it, where it does; tmpfiles makes it readable for our users.
pub const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";

/// A machine's identity. The first three groups come in either byte order, by SMBIOS version and by who wrote them
/// down; both are the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceId([u8; 16]);

impl InstanceId {
    /// From 32 hexadecimal digits in groups of 8, 4, 4, 4, 12. All zeros or all ones is what firmware writes that
    /// knows no identity.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let groups: Vec<usize> = text.split('-').map(str::len).collect();
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if groups != [8, 4, 4, 4, 12] || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let bytes = u128::from_str_radix(&digits, 16).ok()?.to_be_bytes();
        (bytes != [0; 16] && bytes != [0xff; 16]).then_some(Self(bytes))
    }

    /// This machine's, if its firmware has one and it may be read.
    pub fn of_this_machine() -> Option<Self> {
        Self::at(Path::new(PRODUCT_UUID))
    }

    fn at(path: &Path) -> Option<Self> {
        // Not there, not readable, not text: all the same, the identity isn't known.
        let bytes = read_bounded(path, 4096).ok()?;
        Self::parse(std::str::from_utf8(&bytes).ok()?)
    }

    /// The other byte order of the first three groups.
    #[must_use]
    pub fn swapped(self) -> Self {
        let mut bytes = self.0;
        let (first, rest) = bytes.split_at_mut(4);
        let (second, rest) = rest.split_at_mut(2);
        first.reverse();
        second.reverse();
        if let Some(third) = rest.get_mut(..2) {
            third.reverse();
        }
        Self(bytes)
    }

    /// The same machine, in whichever order each was written?
    pub fn is_same(self, other: Self) -> bool {
        self == other || self == other.swapped()
    }
}

impl std::fmt::Display for InstanceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_machine_in_both_byte_orders() {
        let id = InstanceId::parse("D0DF4C54-4ECB-4A4B-9954-5BDF3ED5C3B8\n").unwrap();
        assert_eq!(id.swapped().to_string(), "544cdfd0-cb4e-4b4a-9954-5bdf3ed5c3b8");
        assert!(id.is_same(id.swapped()) && id.is_same(id));
        assert!(!id.is_same(InstanceId::parse("d0df4c54-4ecb-4a4b-9954-5bdf3ed5c3b9").unwrap()));
    }

    #[test]
    fn refuses_what_identifies_nobody() {
        for text in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-FFFF-ffff-ffff-ffffffffffff",
            "d0df4c544ecb4a4b99545bdf3ed5c3b8",
            "+0df4c54-4ecb-4a4b-9954-5bdf3ed5c3b8",
            "Not Specified",
        ] {
            assert_eq!(InstanceId::parse(text), None, "{text}");
        }
    }
}
