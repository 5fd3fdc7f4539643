//! Which virtual machine this is: the UUID that the platform puts into SMBIOS.

use std::fmt;
use std::path::Path;

use crate::durable::read_bounded;
use crate::root::Root;

/// Where the kernel shows it, where it does; tmpfiles makes it readable for our users.
const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";

/// A machine's identity, in the order in which the kernel prints it, if it has one. The first three groups come in
/// either byte order, by SMBIOS version and by who wrote them down; both are the same machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceId(Option<String>);

impl InstanceId {
    /// This machine's; unknown where the firmware has none, or one that many machines share.
    pub fn of_this_machine() -> Self {
        // Unreadable and absent are the same here: identity unknown.
        let bytes = read_bounded(Path::new(PRODUCT_UUID), 256).unwrap_or_default();
        Self::from_text(&String::from_utf8_lossy(&bytes))
    }

    /// From 32 hexadecimal digits in groups of 8, 4, 4, 4, 12. All zeros or all ones is what firmware writes that
    /// knows no identity.
    pub fn from_text(text: &str) -> Self {
        let text = text.trim();
        let is_uuid = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            });
        let says_nothing = |digit: char| text.chars().all(|c| c == '-' || c.eq_ignore_ascii_case(&digit));
        Self((is_uuid && !says_nothing('0') && !says_nothing('f')).then(|| text.to_owned()))
    }

    /// Is it known?
    pub fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// What the marker holds: as WALinuxAgent writes it, bytes of the first groups swapped; empty where unknown.
    pub fn marker(&self) -> String {
        self.0.as_deref().map(swapped).unwrap_or_default()
    }

    /// The platform's name of the VM, lower case. Firmware of generation 1 (no UEFI) swaps the first groups.
    pub fn vm_id(&self, root: &Root) -> String {
        let is_generation_2 = root.path("/sys/firmware/efi").is_dir() || root.path("/dev/efi").is_dir();
        let text = self.0.as_deref().unwrap_or_default();
        if is_generation_2 { text.to_ascii_lowercase() } else { swapped(text).to_ascii_lowercase() }
    }

    /// Is a marker's text this VM, in either order? Unknown identities never say that a disk has moved.
    pub fn is(&self, marker: &str) -> bool {
        let Some(own) = &self.0 else { return true };
        let marker = marker.trim();
        own.eq_ignore_ascii_case(marker) || swapped(own).eq_ignore_ascii_case(marker)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("unknown"))
    }
}

/// The bytes within each of the first three groups, the other way round.
fn swapped(uuid: &str) -> String {
    let swap = |(at, group): (usize, &str)| {
        let pairs: Vec<&str> =
            (0..group.len()).step_by(2).filter_map(|from| group.get(from..from + 2)).collect();
        if at < 3 { pairs.into_iter().rev().collect::<String>() } else { group.to_owned() }
    };
    uuid.split('-').enumerate().map(swap).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: &str = "D0DF4C54-4ECB-4A4B-9954-5BDF3ED5C3B8";
    const SWAPPED: &str = "544CDFD0-CB4E-4B4A-9954-5BDF3ED5C3B8";

    #[test]
    fn a_marker_in_either_order_is_this_machine() {
        let id = InstanceId::from_text(&format!("{KERNEL}\n"));
        assert!(id.is(SWAPPED) && id.is(KERNEL) && id.is(&SWAPPED.to_lowercase()));
        assert!(!id.is("00112233-4455-6677-8899-AABBCCDDEEFF") && !id.is(""));
        assert!(!id.is("d0df4c54-4ecb-4a4b-9954-5bdf3ed5c3b9"));
        assert_eq!(id.marker(), SWAPPED);
    }

    #[test]
    fn what_identifies_nobody_is_unknown() {
        for text in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-FFFF-ffff-ffff-ffffffffffff",
            "d0df4c544ecb4a4b99545bdf3ed5c3b8",
            "+0df4c54-4ecb-4a4b-9954-5bdf3ed5c3b8",
            "Not Specified",
        ] {
            let id = InstanceId::from_text(text);
            assert!(!id.is_known() && id.is(KERNEL), "{text}");
            assert_eq!(id.marker(), "");
        }
    }
}
