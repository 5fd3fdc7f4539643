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
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'<>`".contains(c)) {
        let end = word.trim_end_matches(|c: char| c.is_whitespace() || "\"'<>`".contains(c));
        let Some(query) = query_of(end) else {
            clean.push_str(word);
            continue;
        };
        clean.push_str(end.get(..query).unwrap_or_default());
        clean.push_str("?<redacted>");
        clean.push_str(word.get(end.len()..).unwrap_or_default());
    }
    clean
}

/// Where the query of the first `http(s)` URI in a word begins, if it isn't empty.
fn query_of(word: &str) -> Option<usize> {
    let is_web = |at: &usize| {
        let before = word.as_bytes().get(..*at).unwrap_or_default();
        let ends = |scheme: &[u8]| {
            before
                .len()
                .checked_sub(scheme.len())
                .and_then(|from| before.get(from..))
                .is_some_and(|end| end.eq_ignore_ascii_case(scheme))
        };
        ends(b"http") || ends(b"https")
    };
    let scheme = word.match_indices("://").map(|(at, _)| at).find(is_web)?;
    let query = scheme + word.get(scheme..)?.find('?')?;
    (query + 1 < word.len()).then_some(query)
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
        let long = "://http://a?".repeat(1 << 17);
        assert_eq!(redact_uris(&long), "://http://a?<redacted>");
        assert_eq!(redact_uris("'http://a/b' and ftp://c?d=e what?"), "'http://a/b' and ftp://c?d=e what?");
    }
}
