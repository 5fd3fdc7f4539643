//! Opens the connections to the platform that only uid 0 may open.
#![forbid(unsafe_code)]

pub mod address;
pub mod args;
mod connection;
pub mod policy;
pub mod server;
pub mod socket;
