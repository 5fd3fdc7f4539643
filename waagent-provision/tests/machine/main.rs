//! Passes over copy-on-write views of this machine, with the system's own tools.
#![cfg(test)]

mod accounts;
mod certificates;
mod first_boot;
mod forced;
mod hostile;
mod identity;
mod killed;
mod password;
mod scratch;
mod secrets;
mod ssh_keys;
mod sshd;
mod sudo;
mod world;
