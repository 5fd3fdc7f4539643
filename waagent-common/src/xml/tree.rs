//! Documents as trees, within their bounds.

use std::fmt;
use std::ops::Range;

use super::XmlError;
use super::read::{Piece, Reader, Start};

/// One element: its attributes, children and direct text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Name without namespace prefix.
    pub name: String,
    /// Which of the namespaces that were asked for it is in.
    pub namespace: Option<&'static str>,
    /// `xsi:nil="true"`: as if it weren't there.
    pub is_nil: bool,
    /// A comment among its text.
    pub has_comment: bool,
    /// Elements in it, in order.
    pub children: Vec<Element>,
    /// Where its content lies in the text, in bytes.
    pub content: Range<usize>,
    attributes: Vec<(String, String)>,
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

    /// Its text as it is written, entities resolved.
    pub fn whole_text(&self) -> &str {
        &self.text
    }

    /// The text at a path, where there is one that isn't empty.
    pub fn text_at(&self, path: &str) -> Option<&str> {
        self.at(path).map(Self::text).filter(|text| !text.is_empty())
    }
}

/// The name alone: text may be a secret.
impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.name)
    }
}

pub(super) fn grow(reader: &mut Reader<'_>) -> Result<Element, XmlError> {
    let mut open: Vec<Element> = Vec::new();
    let mut root = Element::default();
    while let Some(piece) = reader.next_piece()? {
        match piece {
            Piece::Start(start) => open.push(Element::of(start)),
            Piece::Text(part) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&part);
                }
            }
            Piece::Comment => {
                if let Some(element) = open.last_mut() {
                    element.has_comment = true;
                }
            }
            Piece::End(at) => {
                // The reader has checked that each end has its start.
                let Some(mut element) = open.pop() else { continue };
                element.content.end = at.max(element.content.start);
                // A list has room for four from its first entry on, and most elements have one child.
                element.children.shrink_to_fit();
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => root = element,
                }
            }
        }
    }
    Ok(root)
}

impl Element {
    fn of(start: Start) -> Self {
        Self {
            name: start.name,
            namespace: start.namespace,
            is_nil: start.is_nil,
            content: start.content..start.content,
            attributes: start.attributes,
            ..Self::default()
        }
    }
}
