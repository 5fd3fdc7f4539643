//! The program and its reader, on images, loop devices and scratch roots.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

mod hostile_media;
mod images;
mod media;
mod medium;
