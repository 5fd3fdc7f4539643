//! How one has waagent-transfer move a blob: one order for each connection over a local stream, and the answer comes back
//! on it while it arrives.
//!
//! `waagent-fetch` decides what is moved, where to, how often and what becomes of it; `waagent-transfer` speaks with the
//! network outside and keeps nothing. A stream that ends before its end mark is a broken connection, whoever ended it.
//!
//! | way | what | form |
//! |---|---|---|
//! | there | the [`order::Order`] | frame: length (4 bytes, the highest first), then so many bytes of JSON |
//! | there | its body | [`order::Order::body`] bytes |
//! | back | an [`answer::Answer`] | frame |
//! | back | after a head: the answer's body | pieces: length (4 bytes), then so many bytes; [`answer::END`] for the end, [`answer::FAILED`] and a frame with the failure for a break |

pub mod answer;
pub mod order;
pub mod stream;

/// The socket, below the agent's run folder. Made by PID 1, `root:waagent-fetch` 0660.
pub const SOCKET: &str = "transfer/transfer.sock";
