//! The steps of waagent-certs, for its `main` and its tests.
#![forbid(unsafe_code)]

pub mod args;
mod attempts;
pub mod envelope;
mod install;
pub mod machine;
mod pkcs12_contents;
pub mod policy;
pub mod transport;
pub mod transport_pair;
pub mod unseal;
