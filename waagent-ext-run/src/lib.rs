//! Runs one command of a handler.
#![forbid(unsafe_code)]

pub mod args;
pub mod custom_data;
pub mod ended;
pub mod handler;
mod launch;
mod order;
pub mod policy;
pub mod process;
mod result;
