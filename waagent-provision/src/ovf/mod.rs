//! `ovf-env.xml`: what the platform wants this machine to be.
//!
//! Three layers: text (encoding), tree (XML within bounds, no document type, no entities of its own), meaning (the
//! elements of DSP0243's environment and of the namespace that Azure adds).

mod encoding;
mod meaning;
mod redact;
mod tree;

pub use encoding::decode;
pub use meaning::{Key, KeyPair, Ovf, Password, read};
pub(crate) use redact::redact;

use crate::reason::Reason;

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

/// Largest file, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;
