//! The modules of waagent-fetch and waagent-dial.
#![forbid(unsafe_code)]

pub mod dial;
pub mod goal_state;
pub mod http;
pub mod packages;
pub mod plugin;
pub mod proxy;
pub mod retry;
pub mod storage;
pub mod xml;
