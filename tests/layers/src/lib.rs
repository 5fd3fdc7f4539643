//! Holds the layers of every program against each other: its declaration, its units, its SELinux domain. The parsers and
//! the comparison are `waagent-declaration`'s; here is where the sources are, and which differences have a reason.
#![forbid(unsafe_code)]
#![expect(
    missing_docs,
    clippy::new_without_default,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test tooling: it may say what it means"
)]

mod installed;
mod ledger;
mod sources;
mod tool;

pub use installed::Installed;
pub use ledger::Ledger;
pub use sources::{declarations, kinds, program_names, repository, service, services, tables, text, units};
pub use tool::{Said, has, tool};

/// Fails with every line that is wrong.
pub fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n    {}", wrong.join("\n    "));
}
