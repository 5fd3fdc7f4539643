//! The steps of waagent-provision; `main.rs` is their table of contents.
#![forbid(unsafe_code)]

mod accounts;
pub mod args;
mod certificate_links;
mod certificate_lookup;
mod cloud_init;
pub mod console;
pub mod decide;
mod encoded_report;
mod home;
mod journal;
mod key_file;
pub mod late;
mod names;
mod needs;
pub mod not_provisioning;
pub mod ovf;
mod ovf_file;
mod pass;
mod plan;
pub mod policy;
mod preview;
pub mod privileges;
pub mod provision;
mod public_key;
mod reason;
pub mod run;
mod shadow;
pub mod state_folder;
pub mod status;
mod steps;
