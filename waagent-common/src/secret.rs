//! Secrets that no log line and no error text can hold.

use std::fmt;

/// A value that Debug and Display hide.
///
/// There is no `Deref`: whoever wants the value writes `expose()`, which a reviewer can search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value as soon as it is known.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Replaces the query of every URI in a text: a shared access signature is a bearer token, whatever its parameters
/// are called.
pub fn redact_uris(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((start, end)) = next_query(rest) {
        clean.push_str(rest.get(..start).unwrap_or_default());
        clean.push_str("?<redacted>");
        rest = rest.get(end..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

/// The range of the next `?query` that belongs to an `http(s)` URI.
fn next_query(text: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(scheme) = text.get(from..)?.find("://").map(|at| at + from) {
        let after = text.get(scheme..)?;
        let length = after.find(|c: char| c.is_whitespace() || "\"'<>`".contains(c)).unwrap_or(after.len());
        let uri = after.get(..length)?;
        let web = text.get(..scheme).is_some_and(|before| before.to_ascii_lowercase().ends_with("http"))
            || text.get(..scheme).is_some_and(|before| before.to_ascii_lowercase().ends_with("https"));
        match uri.find('?') {
            Some(query) if web && query + 1 < length => return Some((scheme + query, scheme + length)),
            _ => from = scheme + 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_the_value() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "Secret(***) ***");
        assert_eq!(*secret.expose(), "hunter2");
    }

    #[test]
    fn redacts_every_query() {
        assert_eq!(
            redact_uris("get https://a.b/c?sig=x%2F&se=1 failed, then HTTP://d/e?comp=f."),
            "get https://a.b/c?<redacted> failed, then HTTP://d/e?<redacted>"
        );
        assert_eq!(redact_uris("'http://a/b' and ftp://c?d=e what?"), "'http://a/b' and ftp://c?d=e what?");
    }
}
