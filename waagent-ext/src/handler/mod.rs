//! A handler on disk: its folder, and the files in it that are the contract with extensions.

pub(crate) mod adopt;
pub(crate) mod carry_over;
pub(crate) mod certificates;
pub(crate) mod command_log;
pub(crate) mod folder;
pub(crate) mod handler_files;
pub(crate) mod manifest;
pub mod paths;
