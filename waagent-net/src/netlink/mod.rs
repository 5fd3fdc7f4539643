//! Netlink, the kernel's message protocol (RFC 3549, netlink(7)): messages, their attributes, and the socket.

pub mod attribute;
pub mod message;
pub mod socket;
