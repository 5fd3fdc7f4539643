//! Moves blobs between storage and the fetcher.
#![forbid(unsafe_code)]

pub mod args;
mod carry;
mod connect;
mod names;
pub mod policy;
pub mod proxy;
pub mod server;
pub mod settings;
mod storage;
mod tls;
