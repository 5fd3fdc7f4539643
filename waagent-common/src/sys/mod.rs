//! The only unsafe code of the agent: system calls and C functions that no well-kept crate wraps safely, each as small
//! as it can be.
#![expect(unsafe_code, reason = "each block states why it is sound; nowhere else in the agent is there any")]

pub mod accept;
pub mod cdrom;
#[cfg(feature = "cms")]
pub mod cms;
pub mod confined_child;
#[cfg(feature = "crypt")]
pub mod crypt;
pub mod extents;
pub mod fd;
#[cfg(feature = "attempt")]
pub mod forbidden_calls;
pub mod heap;
pub mod label;
#[cfg(any(feature = "cms", feature = "pkcs12"))]
mod libcrypto;
pub mod partition;
pub mod pidfd;
#[cfg(feature = "pkcs12")]
pub mod pkcs12;
pub mod signals;
pub mod sigsys;
pub mod spawn;
pub mod swap;
pub mod wait;
