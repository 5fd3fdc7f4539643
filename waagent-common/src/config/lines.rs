//! The lines of a file: what is a key and what is its value.
//!
//! The rules are those of the Python agent (`azurelinuxagent/common/conf.py` of Azure/WALinuxAgent), with a byte order
//! mark, carriage returns and damaged lines handled: a line counts if it doesn't begin with `#` and holds a `=`; the value
//! ends at the next `#`, and quotes and white space around it are taken off.

/// A line that counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// White space around it is taken off; of a damaged line, what can be read.
    pub(super) key: String,
    pub(super) value: Written,
}

/// What is written on the right of the `=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// Text.
    Value(String),
    /// The word `None`.
    NotSet,
    /// The line can't be used, for this reason.
    Damaged(&'static str),
}

/// The lines that count or that can't be used, in order; comments and blank lines are left out.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.split(|byte| *byte == b'\n').zip(1..).filter_map(|(line, number)| parse(line, number))
}

/// Whether any line counts: a file of comments says nothing.
pub(super) fn any_key(bytes: &[u8]) -> bool {
    lines(bytes).next().is_some()
}

fn parse(bytes: &[u8], number: usize) -> Option<Line> {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if bytes.trim_ascii_start().starts_with(b"#") || bytes.trim_ascii().is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let Some((key, value)) = text.split_once('=') else {
        return Some(Line {
            number,
            key: text.trim().to_owned(),
            value: Written::Damaged("it holds no '='"),
        });
    };
    let value = match damage(bytes) {
        Some(cause) => Written::Damaged(cause),
        None => written(value),
    };
    Some(Line { number, key: key.trim().to_owned(), value })
}

fn damage(bytes: &[u8]) -> Option<&'static str> {
    match std::str::from_utf8(bytes) {
        Err(_) => Some("it is not UTF-8"),
        Ok(text) if text.chars().any(|letter| letter.is_control() && letter != '\t') => {
            Some("it holds a control character")
        }
        Ok(_) => None,
    }
}

fn written(right: &str) -> Written {
    let value = right.split('#').next().unwrap_or_default();
    let value = value.trim().trim_matches(['"', ' ']).trim();
    if value == "None" { Written::NotSet } else { Written::Value(value.to_owned()) }
}
