//! The steps of waagent-provision; `main.rs` is their table of contents.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod args;
pub mod cloud_init;
pub mod console;
pub mod decide;
pub mod home;
pub mod journal;
pub mod media;
pub mod names;
pub mod needs;
pub mod not_provisioning;
pub mod ovf;
pub mod pass;
pub mod plan;
pub mod policy;
pub mod preview;
pub mod privileges;
pub mod provision;
pub mod public_key;
pub mod reason;
pub mod report;
pub mod sshd;
pub mod state_folder;
pub mod status;
pub mod steps;
