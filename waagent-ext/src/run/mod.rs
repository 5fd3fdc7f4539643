//! The steps of `waagent-ext-run`.

pub mod args;
pub mod custom_data;
pub mod ended;
pub mod handler;
pub mod launch;
pub mod order;
pub mod output;
pub mod policy;
pub mod process;
pub mod result;
