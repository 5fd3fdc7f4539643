//! What tests of several programs build on.
#![forbid(unsafe_code)]
#![expect(
    missing_docs,
    clippy::new_without_default,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

pub mod layouts;
mod machine;
pub mod network;
mod program;
mod random;
pub mod transfer;
mod work;

pub use machine::{Loop, Machine, Run, provisioned, run};
pub use program::program;
pub use random::{Mutable, Random};
pub use work::computed;
