//! The modules of waagent-fetch and waagent-dial.
#![forbid(unsafe_code)]

pub mod dial;
pub mod http;
pub mod retry;
