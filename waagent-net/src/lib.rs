//! The modules of waagent-net.
#![forbid(unsafe_code)]

pub mod args;
mod compat_files;
mod endpoint;
pub mod firewall;
mod leases;
mod links;
mod netlink;
pub mod policy;
pub mod preview;
mod route;
pub mod run;
