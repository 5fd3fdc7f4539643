//! The only unsafe code of the agent: system calls and C functions that no well-kept crate wraps safely, each as small
//! as it can be.
#![expect(unsafe_code, reason = "each block states why it is sound; nowhere else in the agent is there any")]

pub mod accept;
#[cfg(feature = "crypt")]
pub mod crypt;
pub mod fd;
#[cfg(feature = "pkcs12")]
pub mod pkcs12;
pub mod pidfd;
pub mod signals;
pub mod sigsys;
pub mod spawn;
pub mod wait;
