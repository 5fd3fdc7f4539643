//! What a header of a row may say.

use std::fmt;
use std::net::Ipv4Addr;

use waagent_common::documents::Endpoint;

/// The values that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Whatever the grammar allows.
    Any,
    /// This one or that.
    OneOf(&'static [&'static str]),
    /// Where a blob is that the host fetches: see [`is_elsewhere`].
    Blob,
}

impl Values {
    /// Does this value pass? The platform's own address is `platform`.
    pub(crate) fn allow(self, value: &str, platform: Ipv4Addr) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(values) => values.contains(&value),
            Self::Blob => is_elsewhere(value, platform),
        }
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::OneOf(values) => f.write_str(&values.join(" or ")),
            Self::Blob => f.write_str("http or https, neither the platform nor this host"),
        }
    }
}

/// An absolute URI that could be a blob's: http or https, nothing that ends a line or a quotation, also escaped, no user
/// information, and a host that is neither the platform itself nor whoever fetches.
fn is_elsewhere(value: &str, platform: Ipv4Addr) -> bool {
    let Some(rest) = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")) else {
        return false;
    };
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`<>\\^{|}#".contains(&byte));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    is_plain && !has_escaped_control(rest) && is_foreign(authority, platform)
}

/// Also one that was escaped more than once.
fn has_escaped_control(text: &str) -> bool {
    let mut text = text.to_owned();
    while text.contains("%25") {
        text = text.replace("%25", "%");
    }
    text.contains("%0") || text.contains("%1") || text.to_ascii_lowercase().contains("%7f")
}

/// A name, or an address as people write it: an odd number is one to some readers.
fn is_foreign(authority: &str, platform: Ipv4Addr) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if last.is_empty() || !is_name || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    if !last.starts_with(|first: char| first.is_ascii_digit()) {
        return last != "localhost";
    }
    let own = |address: Ipv4Addr| {
        [platform, Endpoint::WELL_KNOWN].contains(&address)
            || address.is_loopback()
            || address.is_link_local()
            || address.octets()[0] == 0
    };
    host.parse().is_ok_and(|address| !own(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_never_at_the_platform_itself_or_at_who_fetches() {
        let passes = |value: &str| Values::Blob.allow(value, Ipv4Addr::new(10, 1, 2, 3));
        for value in [
            "https://example.blob.core.windows.net/c/b.xml?sv=2018-03-28&sig=a%2Bb%3D",
            "http://example.blob.core.windows.net:8080/c/b%20c",
            "https://10.9.8.7/b",
            "https://md-1.z17.blob.storage.azure.net/$system/b.vmSettings",
        ] {
            assert!(passes(value), "{value}");
        }
        for host in [
            "",
            "168.63.129.16",
            "168.63.129.16:32526",
            "168.63.129.16.",
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "localhost",
            "a.LOCALHOST.",
            "169.254.169.254",
            "0.0.0.0",
            "0",
            "2130706433",
            "0x7f.1",
            "127.1",
            "0250.077.0201.020",
            "[::1]",
            "[::ffff:168.63.129.16]",
            "a@b.c",
            "b.c:80@d.e",
            "b.c:x",
            "b%2ec",
            ".",
        ] {
            assert!(!passes(&format!("http://{host}/b")), "{host}");
        }
        for value in [
            "",
            "/b",
            "//b.c/d",
            "ftp://b.c/d",
            "HTTP://168.63.129.16/",
            "https:/b.c/d",
            "https://b.c/d e",
            "https://b.c/\"",
            "https://b.c/'",
            "https://b.c/%0d%0ax:y",
            "https://b.c/%0Ax",
            "https://b.c/%250d",
            "https://b.c/%25250d",
            "https://b.c/%00",
            "https://b.c/d#e",
            "https://b.c\\@d.e/",
        ] {
            assert!(!passes(value), "{value}");
        }
    }
}
