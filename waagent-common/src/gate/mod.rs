//! How one asks waagent-gate: it opens the three connections that only uid 0 may open, for a program that isn't uid 0.
//!
//! The host firewall and Azure's guest proxy look at who *opens* a connection. `waagent-gate` (uid 0, no capability)
//! does that and nothing else; `waagent-fetch` speaks on what it gets.

pub mod client;
pub mod protocol;
