//! Plans, unpacks and runs VM extensions.
#![forbid(unsafe_code)]

pub mod boot;
pub mod environment;
pub mod remove;
pub mod run;
