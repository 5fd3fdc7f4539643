//! Both programs in a scratch root, against documents that the test writes as the other programs would.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it means, in its helpers too"
)]

mod commands;
mod ended;
mod events;
mod hostile_status;
mod killed;
mod manager;
mod memory;
mod packages;
mod policy_file;
mod raw_zip;
mod resident;
mod rules;
mod signed;
mod single_config;
mod stage;
mod updates;
mod when_written;
