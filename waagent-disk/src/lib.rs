//! Reads the provisioning DVD and prepares the resource disk.
#![forbid(unsafe_code)]

pub mod medium;
