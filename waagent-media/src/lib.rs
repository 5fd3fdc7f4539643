//! Reads the provisioning DVD.
#![forbid(unsafe_code)]

pub mod args;
pub mod confined_child;
pub mod decide;
pub mod find;
pub mod late_medium;
pub mod medium;
pub mod policy;
pub mod publish;
pub mod release;
