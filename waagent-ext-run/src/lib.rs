//! Runs one command of a handler.
#![forbid(unsafe_code)]

pub mod args;
pub mod custom_data;
pub mod ended;
pub mod handler;
pub mod launch;
pub mod order;
pub mod policy;
pub mod process;
pub mod result;
