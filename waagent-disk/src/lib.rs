//! Reads the provisioning DVD and prepares the resource disk.
#![forbid(unsafe_code)]

pub mod media;
pub mod medium;
