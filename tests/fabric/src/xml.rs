//! XML both ways: what the agent posts, and the escaping of what the platform says.

use waagent_common::xml::{self, Bounds, XmlError};

pub use waagent_common::xml::Element;

/// What the platform takes is bounded by its bytes.
const BOUNDS: Bounds = Bounds { elements: usize::MAX, text: usize::MAX, namespaces: &[], is_strict: true };

/// Parses one document.
///
/// # Errors
///
/// What [`waagent_common::xml`] refuses.
pub fn parse(text: &str) -> Result<Element, XmlError> {
    xml::parse(text, &BOUNDS)
}

/// Trimmed text at a path such as `Container/ContainerId`; empty if it isn't there.
pub fn text_at(element: &Element, path: &str) -> String {
    element.text_at(path).unwrap_or_default().to_owned()
}

/// Escapes text for element content and for attributes in double quotes.
pub fn escape(text: &str) -> String {
    xml::escape(text).into_owned()
}
