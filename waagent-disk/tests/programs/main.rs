//! The programs of this crate, on images, loop devices and scratch roots.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test tooling: it may say what it means")]

mod decisions;
mod disks;
mod finish;
mod hostile_disks;
mod resource;
