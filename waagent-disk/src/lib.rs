//! Reads the provisioning DVD and prepares the resource disk.
#![forbid(unsafe_code)]

pub mod args;
pub mod changes;
pub mod media;
pub mod medium;
pub mod policy;
pub mod resource;
