//! A handler on disk: its folder, and the files in it that are the contract with extensions.

pub mod adopt;
pub mod carry;
pub mod certificates;
pub mod command_log;
pub mod contract;
pub mod folder;
pub mod manifest;
pub mod paths;
