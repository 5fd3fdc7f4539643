//! Speaks with the platform.
#![forbid(unsafe_code)]

pub mod args;
pub mod clock;
pub mod events;
pub mod failed;
pub mod failure;
pub mod fetcher;
pub mod goal_state;
pub mod health;
pub mod http;
pub mod once;
pub mod outage;
pub mod packages;
pub mod plugin;
pub mod policy;
pub mod proxy;
pub mod republish;
pub mod resident;
pub mod retry;
pub mod session;
pub mod settings;
pub mod status;
pub mod storage;
pub mod wire_server;
pub mod xml;
