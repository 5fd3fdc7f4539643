//! Reads each request to the platform, lets pass what its table names, and copies the answers back unread.
#![forbid(unsafe_code)]

pub mod args;
mod connection;
mod counts;
pub mod documents;
mod exchange;
pub mod head;
pub mod office;
mod path;
mod peer;
mod pipe;
pub mod policy;
pub mod queue;
mod refusal;
pub mod request;
pub mod server;
pub mod table;
pub mod values;

pub use refusal::Refusal;
