//! The steps of `waagent-media`.

pub mod apart;
pub mod args;
pub mod find;
pub mod keep;
pub mod policy;
pub mod release;
pub mod standing;
pub mod wait;
