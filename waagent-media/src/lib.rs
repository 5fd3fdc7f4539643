//! Reads the provisioning DVD.
#![forbid(unsafe_code)]

pub mod apart;
pub mod args;
pub mod decide;
pub mod find;
pub mod medium;
pub mod policy;
pub mod publish;
pub mod release;
pub mod wait;
