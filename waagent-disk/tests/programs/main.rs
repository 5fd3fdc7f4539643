//! The programs of this crate, on images, loop devices and scratch roots.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

mod decisions;
mod disks;
mod finish;
mod hostile_disks;
mod hostile_media;
mod images;
#[path = "../../../tests/layouts/cloud_init.rs"]
mod layouts;
mod machine;
mod media;
mod medium;
mod random;
mod resource;
