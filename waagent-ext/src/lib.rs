//! Plans and unpacks VM extensions.
#![forbid(unsafe_code)]

mod admission;
pub mod args;
mod crash_guard;
mod dbus;
pub mod engine;
pub mod error;
pub mod exec_mount;
mod extension_events;
mod extension_policy;
pub mod handler;
mod inputs;
pub mod once;
pub mod package;
mod plan;
pub mod policy;
mod python_json;
mod report_pace;
pub mod resident;
mod starter;
mod status;
mod systemd;
mod wakeup;
