//! What every program of the agent needs: configuration, documents, sandbox, log.

pub mod args;
pub mod boot;
pub mod bytes;
pub mod cloud_init;
pub mod command;
pub mod config;
pub mod der;
pub mod device_nodes;
pub mod digest;
pub mod documents;
pub mod durable;
pub mod fault;
pub mod file_identity;
pub mod folder;
pub mod gate;
pub mod instance;
pub mod json;
pub mod listener;
pub mod lock;
pub mod log;
pub mod marker;
pub mod notify;
pub mod program;
pub mod remove;
pub mod resident;
pub mod root;
pub mod sandbox;
pub mod secret;
pub mod sys;
pub mod text;
pub mod time;
pub mod tool;
pub mod transfer;
pub mod types;
pub mod users;
pub mod wait;
pub mod watch;
pub mod words;
#[cfg(feature = "xml")]
pub mod xml;

/// What the agent calls itself towards the platform: four numbers, the first three of the contract that it keeps
/// (WALinuxAgent 2.15.0), the last its own build.
pub const AGENT_VERSION: &str = "2.15.0.1001";
