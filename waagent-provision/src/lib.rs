//! The steps of waagent-provision; `main.rs` is their table of contents.
#![forbid(unsafe_code)]

mod accounts;
pub mod args;
mod cloud_init;
pub mod console;
pub mod decide;
mod effective_sshd;
mod home;
mod journal;
mod key_file;
pub mod late;
mod media;
mod names;
mod needs;
pub mod not_provisioning;
pub mod ovf;
mod pass;
mod plan;
pub mod policy;
mod preview;
pub mod privileges;
pub mod provision;
mod public_key;
mod reason;
mod report;
pub mod run;
mod sshd;
pub mod state_folder;
pub mod status;
mod steps;
