//! What the platform is told: status files and heartbeats of handlers, read as hostile, and put together.

pub mod file;
pub mod heartbeat;
pub mod read;
pub mod report;
pub mod shrink;
