//! Prepares the resource disk.
#![forbid(unsafe_code)]

pub mod args;
pub mod policy;
pub mod resource;
