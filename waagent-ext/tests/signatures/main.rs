//! Signatures of packages, good and bad, as `waagent-ext` judges them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it means, in its helpers too"
)]

mod authority;
mod stamps;
mod verify;
