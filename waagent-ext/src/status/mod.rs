//! What the platform is told: status files and heartbeats of handlers, read as hostile, and put together.

pub(crate) mod file;
pub(crate) mod heartbeat;
pub(crate) mod read;
pub(crate) mod report;
pub(crate) mod shrink;
