//! The fetcher, as a program, against a platform in a network namespace that each test makes on its thread.

mod faults;
mod machine;
mod memory;
mod once;
mod refusals;
mod resident;

/// The probe's children.
#[test]
fn probe_child() {
    waagent_probe::child(&waagent_fetch::policy::POLICY);
}
