//! The modules of waagent-net.
#![forbid(unsafe_code)]

pub mod args;
pub mod contract;
pub mod endpoint;
pub mod firewall;
pub mod leases;
pub mod links;
pub mod netlink;
pub mod plan;
pub mod policy;
pub mod route;
pub mod run;
