//! The fetcher, as a program, against a platform in a network namespace that each test makes on its thread.

mod faults;
mod machine;
mod memory;
mod moment;
mod once;
mod resident;
