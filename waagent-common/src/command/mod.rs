//! What planner and runner both know of a handler's command.

pub mod environment;
pub mod noexec;
pub mod output;
