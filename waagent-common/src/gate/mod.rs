//! How one asks the platform by waagent-gate, which reads each request before it lets it pass.
//!
//! The host firewall and Azure's guest proxy let only uid 0 open connections to the platform. `waagent-gate` (uid 0, no
//! capability) opens them, and copies what comes back unread; `waagent-fetch` asks, and parses the answer.

pub mod client;
pub mod protocol;
