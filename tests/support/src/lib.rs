//! What tests of several programs build on.
#![forbid(unsafe_code)]
#![expect(clippy::panic, reason = "a test that can't find its program has failed")]

mod program;

pub use program::program;
