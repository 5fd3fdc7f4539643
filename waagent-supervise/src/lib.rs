//! Plays PID 1, and nothing more, where systemd isn't: accounts and folders, the order of a boot, each program with
//! its user and capabilities, sockets, mounts on flags, changes on triggers, the starter of handlers' commands.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod args;
pub mod chain;
pub mod children;
pub mod flags;
pub mod folders;
pub mod lines;
pub mod looks;
pub mod mounts;
pub mod programs;
pub mod restarts;
pub mod sockets;
pub mod triggers;

#[cfg(test)]
mod tests;
