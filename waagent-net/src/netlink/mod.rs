//! Netlink, the kernel's message protocol (RFC 3549, netlink(7)): messages, their attributes, and the socket.

pub(crate) mod attribute;
pub(crate) mod message;
pub(crate) mod socket;
