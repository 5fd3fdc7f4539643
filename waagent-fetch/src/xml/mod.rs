//! The platform's XML as a small tree, within bounds.
//!
//! The platform writes plain documents: no DTD, no entities but the five predefined ones, a depth below ten. Whatever
//! else comes is refused with the line it is at; nothing here recurses on the input.

use std::fmt;

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use waagent_common::text::shown;

/// One element: its attributes, children and direct text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Name without namespace prefix.
    pub name: String,
    attributes: Vec<(String, String)>,
    /// Elements in it, in order.
    pub children: Vec<Element>,
    text: String,
}

impl Element {
    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The children of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at a path such as `Container/ContainerId`.
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| element.children.iter().find(|c| c.name == name))
    }

    /// Its text without white space around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// The text at a path, where there is one that isn't empty.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlError {
    reason: String,
    line: usize,
}

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}", self.reason, self.line)
    }
}

impl std::error::Error for XmlError {}

/// Parses a document whose root must have this name.
///
/// A byte order mark before it, and white space and NUL bytes after it, are tolerated: hosts have sent them.
pub fn parse(bytes: &[u8], root: &str) -> Result<Element, XmlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let end = bytes.iter().rposition(|byte| *byte != 0 && !byte.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let bytes = bytes.get(..end).unwrap_or_default();
    let text = std::str::from_utf8(bytes).map_err(|error| XmlError {
        reason: "no UTF-8".to_owned(),
        line: line_of(bytes, error.valid_up_to()),
    })?;
    if let Some(at) = text.find(|c| !is_allowed(c)) {
        let reason = "a character that XML forbids".to_owned();
        return Err(XmlError { reason, line: line_of(bytes, at) });
    }
    let mut reader = Reader::from_str(text);
    let tree = Tree::default().grow(&mut reader);
    let at = usize::try_from(reader.buffer_position().max(reader.error_position())).unwrap_or(usize::MAX);
    let tree = tree.map_err(|reason| XmlError { reason, line: line_of(bytes, at) })?;
    if tree.name != root {
        let reason = format!("root element '{}', not '{root}'", shown(&tree.name));
        return Err(XmlError { reason, line: 1 });
    }
    Ok(tree)
}

#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    attributes: usize,
}

impl Tree {
    fn grow(mut self, reader: &mut Reader<&[u8]>) -> Result<Element, String> {
        loop {
            match reader.read_event().map_err(|error| shown(&error.to_string()))? {
                Event::Start(start) => self.start(&start)?,
                Event::Empty(start) => {
                    self.start(&start)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text.xml_content().map_err(|e| e.to_string())?)?,
                Event::CData(text) => self.text(&text.decode().map_err(|e| e.to_string())?)?,
                Event::GeneralRef(reference) => self.text(&resolve(&reference)?)?,
                Event::Decl(declaration) => match declaration.encoding() {
                    Some(Ok(encoding)) if !encoding.eq_ignore_ascii_case(b"utf-8") => {
                        return Err("an encoding that isn't UTF-8".to_owned());
                    }
                    _ => {}
                },
                Event::DocType(_) => return Err("a document type declaration, which is refused".to_owned()),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            return Err(format!("element '{}' isn't closed", shown(&open.name)));
        }
        self.root.ok_or_else(|| "no element at all".to_owned())
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(format!("more than {MAX_ELEMENTS} elements"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("elements nested deeper than {MAX_DEPTH}"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err("a second root element".to_owned());
        }
        let name = name_of(start.local_name().as_ref())?;
        let mut element = Element { name, ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| shown(&error.to_string()))?;
            self.attributes += 1;
            if element.attributes.len() >= MAX_ATTRIBUTES || self.attributes > MAX_ELEMENTS {
                return Err(format!("more than {MAX_ATTRIBUTES} attributes, or {MAX_ELEMENTS} in all"));
            }
            let value = attribute.unescape_value().map_err(|error| shown(&error.to_string()))?;
            if value.contains(|c| !is_allowed(c)) {
                return Err("a character that XML forbids".to_owned());
            }
            element.attributes.push((name_of(attribute.key.as_ref())?, value.into_owned()));
        }
        element.attributes.shrink_to_fit();
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) {
        // The reader has checked that each end has its start.
        let Some(mut element) = self.open.pop() else { return };
        // A list has room for four from its first entry on, and most elements have one child.
        element.children.shrink_to_fit();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("text outside the root element".to_owned()),
        }
        Ok(())
    }
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| shown(&error.to_string()))? {
        if !is_allowed(character) {
            return Err("a character that XML forbids".to_owned());
        }
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|error| error.to_string())?;
    match quick_xml::escape::resolve_predefined_entity(&name) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("an unknown entity '{}'", shown(&name))),
    }
}

fn name_of(name: &[u8]) -> Result<String, String> {
    if name.len() > MAX_NAME {
        return Err(format!("a name longer than {MAX_NAME} bytes"));
    }
    Ok(String::from_utf8_lossy(name).into_owned())
}

/// `Char` of XML 1.0.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

fn line_of(bytes: &[u8], position: usize) -> usize {
    bytes.iter().take(position).filter(|byte| **byte == b'\n').count() + 1
}

const MAX_DEPTH: usize = 32;
/// Fifty extensions need about 500.
const MAX_ELEMENTS: usize = 100_000;
const MAX_ATTRIBUTES: usize = 64;
const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests;
