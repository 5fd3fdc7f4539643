//! The platform that the tests and the demo run against: WireServer, HostGAPlugin, IMDS and storage in one
//! process, driven by a scenario. An independent reading of the platform's contract: nothing of the agent's
//! own crates is used here. Never installed.
#![forbid(unsafe_code)]

pub mod args;
pub mod canaries;
pub mod client;
pub mod cms;
pub mod connection;
pub mod connections;
pub mod control;
pub mod der;
pub mod expected;
pub mod extensions_config;
pub mod fabric;
pub mod fault;
pub mod goal_state;
pub mod host_plugin;
pub mod http;
pub mod identity;
pub mod imds;
pub mod load;
pub mod media;
pub mod opener;
pub mod packages;
pub mod pfx;
pub mod platform;
pub mod record;
pub mod report;
pub mod revision;
pub mod route;
pub mod scenario;
pub mod server;
pub mod settings;
pub mod shared;
pub mod signed_data;
pub mod signing;
pub mod stamp;
pub mod storage;
pub mod tls;
pub mod until;
pub mod vm_settings;
pub mod wire_server;
pub mod xml;
