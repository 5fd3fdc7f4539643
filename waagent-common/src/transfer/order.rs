//! What the fetcher asks for.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::secret::redact_uris;

/// One request to storage. Its URI's query is a bearer token: Debug doesn't show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What is done with the blob.
    pub method: Method,
    /// The blob, with its signature.
    pub uri: String,
    /// Besides those that every request has.
    pub headers: BTreeMap<Header, String>,
    /// Bytes that follow the order: the body of a `PUT`.
    pub body: u64,
    /// Most bytes that the body of a success may have.
    pub limit: u64,
    /// Most seconds for all of it: name, connection, head, body.
    pub seconds: u64,
}

/// The methods that storage is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Ask.
    Get,
    /// Store.
    Put,
}

/// The header lines that our requests have (Put Blob and Put Page of the storage protocol); no order has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Header {
    /// Length of a page blob.
    XMsBlobContentLength,
    /// `BlockBlob` or `PageBlob`.
    XMsBlobType,
    /// When the request was made.
    XMsDate,
    /// `update`.
    XMsPageWrite,
    /// Which bytes are written.
    XMsRange,
    /// Of the protocol.
    XMsVersion,
}

impl Header {
    const ALL: [Self; 6] = [
        Self::XMsBlobContentLength,
        Self::XMsBlobType,
        Self::XMsDate,
        Self::XMsPageWrite,
        Self::XMsRange,
        Self::XMsVersion,
    ];

    /// As it is sent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::XMsBlobContentLength => "x-ms-blob-content-length",
            Self::XMsBlobType => "x-ms-blob-type",
            Self::XMsDate => "x-ms-date",
            Self::XMsPageWrite => "x-ms-page-write",
            Self::XMsRange => "x-ms-range",
            Self::XMsVersion => "x-ms-version",
        }
    }

    /// The one that is called so.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|header| header.name() == name)
    }
}

impl Order {
    /// Is everything within its bounds? `Err` is the reason. Who the URI leads to is looked at elsewhere.
    pub fn check(&self) -> Result<(), String> {
        let most = if self.method == Method::Put { MAX_BODY } else { 0 };
        if self.body > most {
            return Err(format!("a body of more than {most} bytes"));
        }
        if !(1..=MAX_SECONDS).contains(&self.seconds) {
            return Err(format!("a time that isn't between 1 and {MAX_SECONDS} s"));
        }
        if self.limit > MAX_ANSWER {
            return Err(format!("an answer of more than {MAX_ANSWER} bytes"));
        }
        for (header, value) in &self.headers {
            if value.len() > MAX_VALUE || !value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
                return Err(format!("header '{}': not {MAX_VALUE} bytes of printable ASCII", header.name()));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {:?}", self.method, redact_uris(&self.uri), self.headers)
    }
}

/// Longest order, in bytes of JSON.
pub const MAX_ORDER: usize = 32 << 10;
/// Largest body of a `PUT`, in bytes.
pub const MAX_BODY: u64 = 8 << 20;
/// Largest answer that may be ordered, in bytes: the most that `Extensions.MaxPackageMB` can say.
const MAX_ANSWER: u64 = 64 << 30;
/// Longest time for an order; a package gets 300 s.
pub const MAX_SECONDS: u64 = 600;
/// Longest value of a header, in bytes.
const MAX_VALUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn order() -> Order {
        Order {
            method: Method::Put,
            uri: "https://a/b?sig=SECRET".to_owned(),
            headers: BTreeMap::from([(Header::XMsVersion, "2014-02-14".to_owned())]),
            body: 3,
            limit: 10,
            seconds: 60,
        }
    }

    #[test]
    fn is_the_same_after_the_way_and_shows_no_signature() {
        let text = serde_json::to_string(&order()).unwrap();
        assert!(
            text.contains(r#""method":"PUT""#) && text.contains(r#""x-ms-version":"2014-02-14""#),
            "{text}"
        );
        assert_eq!(json::read::<Order>(text.as_bytes(), 4).unwrap(), order());
        assert!(!format!("{:?}", order()).contains("SECRET"));
    }

    #[test]
    fn refuses_what_no_request_of_ours_has() {
        let text = serde_json::to_string(&order()).unwrap();
        for (old, new) in [
            ("x-ms-version", "authorization"),
            ("x-ms-version", "host"),
            ("\"body\"", "\"proxy\":\"p\",\"body\""),
            ("PUT", "POST"),
        ] {
            let changed = text.replace(old, new);
            assert!(json::read::<Order>(changed.as_bytes(), 4).is_err(), "{changed}");
        }
    }

    #[test]
    fn holds_every_bound() {
        assert_eq!(order().check(), Ok(()));
        let wrong: [(&str, Order); 5] = [
            ("body", Order { body: MAX_BODY + 1, ..order() }),
            ("body", Order { method: Method::Get, ..order() }),
            ("time", Order { seconds: 0, ..order() }),
            ("answer", Order { limit: MAX_ANSWER + 1, ..order() }),
            (
                "header",
                Order { headers: BTreeMap::from([(Header::XMsDate, "a\r\nb: c".to_owned())]), ..order() },
            ),
        ];
        for (what, order) in wrong {
            assert!(order.check().is_err_and(|why| why.contains(what)), "{order:?}");
        }
    }

    #[test]
    fn every_header_has_one_name() {
        for header in Header::ALL {
            assert_eq!(Header::of(header.name()), Some(header));
            assert_eq!(serde_json::to_string(&header).unwrap(), format!("\"{}\"", header.name()));
        }
        assert_eq!(Header::of("authorization"), None);
    }
}
