//! Plans and unpacks VM extensions.
#![forbid(unsafe_code)]

pub mod admission;
pub mod args;
pub mod dbus;
pub mod engine;
pub mod error;
pub mod events;
pub mod exec_mount;
pub mod extension_policy;
pub mod guard;
pub mod handler;
pub mod inputs;
pub mod once;
pub mod pace;
pub mod package;
pub mod plan;
pub mod policy;
pub mod python_json;
pub mod service;
pub mod starter;
pub mod status;
pub mod systemd;
pub mod watch;
