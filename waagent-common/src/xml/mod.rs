//! Foreign XML within bounds: in pieces, or as a small tree.
//!
//! The platform writes plain documents: no document type, no entities but the five predefined ones, no processing
//! instructions, a depth below ten. Whatever else comes is refused with the place it is at; nothing here recurses on the
//! input.

mod read;
mod tree;

use std::fmt;

pub use quick_xml::escape::escape;
pub use read::{Piece, Reader, Start};
pub use tree::Element;

use crate::text::shown;

/// What a document may be at the most, besides [`MAX_DEPTH`] and what is said of names and attributes there.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Elements in all; attributes in all are no more either.
    pub elements: usize,
    /// Bytes of one element's own text.
    pub text: usize,
    /// Namespaces that mean something; all others are alike.
    pub namespaces: &'static [&'static str],
    /// Are processing instructions refused, and comments that aren't well-formed? Publishers' files may have either, and
    /// nothing is taken from them.
    pub is_strict: bool,
}

/// Elements within elements.
pub const MAX_DEPTH: usize = 16;

/// Why a document was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlError {
    what: String,
    found: Option<String>,
    line: usize,
    column: usize,
}

impl XmlError {
    fn new(text: &str, position: usize, what: impl Into<String>, found: Option<String>) -> Self {
        // Anywhere in a character, but lines and columns are counted in whole ones.
        let before = crate::text::cut(text, position);
        let line = before.split('\n').count();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Self { what: what.into(), found, line, column }
    }

    /// Without a piece of the document, which may be a secret.
    pub fn unquoted(&self) -> String {
        format!("{} at line {}, column {}", self.what, self.line, self.column)
    }
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(found) => {
                write!(f, "{}: '{found}' at line {}, column {}", self.what, self.line, self.column)
            }
            None => f.write_str(&self.unquoted()),
        }
    }
}

impl std::error::Error for XmlError {}

/// The text of a document: without byte order mark before it, and without the white space and NUL bytes after it that
/// hosts have sent, and that fill up a medium's last sector.
pub fn text_of(bytes: &[u8]) -> Result<&str, XmlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        XmlError::new(&String::from_utf8_lossy(good), good.len(), "not UTF-8", None)
    })?;
    Ok(without_padding(text))
}

/// Without what may follow a document.
pub fn without_padding(text: &str) -> &str {
    text.trim_end_matches(['\0', ' ', '\t', '\r', '\n'])
}

/// A whole document as a tree.
pub fn parse(text: &str, bounds: &Bounds) -> Result<Element, XmlError> {
    tree::grow(&mut Reader::new(text, bounds)?)
}

/// The same, of bytes; the root element must have this name.
pub fn document(bytes: &[u8], root: &str, bounds: &Bounds) -> Result<Element, XmlError> {
    let tree = parse(text_of(bytes)?, bounds)?;
    if tree.name != root {
        let what = format!("root element '{}', not '{root}'", shown(&tree.name));
        return Err(XmlError::new("", 0, what, None));
    }
    Ok(tree)
}

/// `Char` of XML 1.0.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests;
