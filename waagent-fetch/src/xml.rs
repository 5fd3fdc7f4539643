//! The platform's documents as trees.

use waagent_common::xml::{Bounds, Element, XmlError, document};

/// Fifty extensions need about 500 elements; an answer's bytes are bounded by its request.
const BOUNDS: Bounds = Bounds { elements: 100_000, text: usize::MAX, namespaces: &[], is_strict: false };

/// Parses a document whose root must have this name.
pub fn parse(bytes: &[u8], root: &str) -> Result<Element, XmlError> {
    document(bytes, root, &BOUNDS)
}
