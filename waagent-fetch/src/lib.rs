//! Speaks with the platform.
#![forbid(unsafe_code)]

pub mod args;
mod clock;
mod failure;
pub mod failure_note;
mod fetcher;
mod goal_state;
mod health;
pub mod http;
pub mod once;
mod order;
mod outage;
pub mod packages;
pub mod plugin;
pub mod policy;
mod republish;
pub mod resident;
pub mod retry;
pub mod session;
pub mod status;
mod storage;
pub mod transfer_settings;
mod wakeup;
mod wire_server;
mod xml;
