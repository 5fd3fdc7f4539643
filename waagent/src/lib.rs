//! The front command `waagent`.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod front;
pub mod status;
