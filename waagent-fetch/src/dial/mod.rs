//! The dialer: opens the three connections that only uid 0 may open, for a program that isn't uid 0.
//!
//! The host firewall and Azure's guest proxy look at who *opens* a connection. `waagent-dial` (uid 0, no capability)
//! does that and nothing else; `waagent-fetch` speaks on what it gets.

pub mod address;
pub mod args;
pub mod client;
pub mod connection;
pub mod policy;
pub mod protocol;
pub mod server;
pub mod socket;
