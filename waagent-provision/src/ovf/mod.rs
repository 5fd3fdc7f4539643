//! `ovf-env.xml`: what the platform wants this machine to be.
//!
//! Three layers: text (encoding), tree (XML within bounds, no document type, no entities of its own), meaning (the
//! elements of DSP0243's environment and of the namespace that Azure adds).

mod encoding;
mod meaning;
mod redact;

pub use encoding::decode;
pub use meaning::{Key, KeyPair, Ovf, Password, read};
pub(crate) use redact::redact;

use crate::reason::Reason;

use waagent_common::xml::{self, Bounds, Element, XmlError};

/// Why a file is refused; never holds a piece of it, since that might be the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One of the fixed reasons.
    pub(crate) reason: Reason,
    /// What and where.
    pub text: String,
}

impl Refusal {
    fn parsing(text: impl Into<String>) -> Self {
        Self { reason: Reason::OvfParsing, text: text.into() }
    }

    fn unexpected(text: impl Into<String>) -> Self {
        Self { reason: Reason::OvfMeaning, text: text.into() }
    }
}

impl From<XmlError> for Refusal {
    /// The library's own text may quote the file.
    fn from(error: XmlError) -> Self {
        Self::parsing(error.unquoted())
    }
}

/// The document's root element.
fn parse(text: &str) -> Result<Element, Refusal> {
    Ok(xml::parse(text, &BOUNDS)?)
}

/// Largest file, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;
const BOUNDS: Bounds = Bounds { elements: 2000, text: 256 << 10, namespaces: &[OVF, AZURE], is_strict: true };
const OVF: &str = "http://schemas.dmtf.org/ovf/environment/1";
const AZURE: &str = "http://schemas.microsoft.com/windowsazure";

#[cfg(test)]
mod tests;
