//! Lease files of systemd-networkd and of NetworkManager's own client: lines `KEY=VALUE`, no sections.

use std::net::Ipv4Addr;

use super::Found;

/// Reads a file; the last line of the option holds. Its leases don't expire: their files are removed.
pub(crate) fn parse(text: &str) -> (Found, Vec<String>) {
    let (mut found, mut warnings) = (Found::default(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let Some(value) = line.trim().strip_prefix("OPTION_245=") else { continue };
        match address(value) {
            Some(address) => found.address = Some(address),
            None => warnings.push(format!("line {number}: OPTION_245 isn't 8 hexadecimal digits")),
        }
    }
    (found, warnings)
}

fn address(value: &str) -> Option<Ipv4Addr> {
    let digits = value.len() == 8 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(value, 16).ok().map(Ipv4Addr::from)).flatten()
}
