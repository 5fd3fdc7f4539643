//! Reads the provisioning DVD.
#![forbid(unsafe_code)]

pub mod apart;
pub mod args;
pub mod find;
pub mod keep;
pub mod medium;
pub mod policy;
pub mod release;
pub mod standing;
pub mod wait;
