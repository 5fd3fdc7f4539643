//! The program on its socket, as the fetcher and others meet it: what it moves, what it refuses, when it ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test tooling: it may say what it means")]

mod life;
mod orders;
mod proxy;
mod stand;
mod tls;
