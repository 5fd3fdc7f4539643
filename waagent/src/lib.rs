//! The front command `waagent`, and `waagent-supervise`, which plays PID 1 where systemd isn't.
#![forbid(unsafe_code)]

pub mod audit;
pub mod cli;
pub mod front;
pub mod status;
pub mod supervise;
