//! Runs one command of a handler.
#![forbid(unsafe_code)]

pub mod args;
mod command_document;
pub mod custom_data;
pub mod handler;
pub mod interrupted;
mod launch;
pub mod policy;
pub mod process;
mod result;
