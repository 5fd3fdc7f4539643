//! Capabilities that a program has, but uses only while it needs them.

use caps::{CapSet, Capability};

use crate::fault::{Exit, Fault};

/// Keeps a capability for tools that are executed, without using it: out of the effective set.
pub fn lay_down(capability: &str) -> Result<(), Fault> {
    change(capability, |cap| caps::drop(None, CapSet::Effective, cap))
}

/// Uses a capability that was laid down.
pub fn take_up(capability: &str) -> Result<(), Fault> {
    change(capability, |cap| caps::raise(None, CapSet::Effective, cap))
}

/// Gives a capability up for good; with `no_new_privs` no executed tool gets it back either.
pub fn give_up(capability: &str) -> Result<(), Fault> {
    change(capability, |cap| {
        caps::drop(None, CapSet::Effective, cap)?;
        caps::drop(None, CapSet::Permitted, cap)
    })
}

fn change(name: &str, act: impl Fn(Capability) -> Result<(), caps::errors::CapsError>) -> Result<(), Fault> {
    let refused =
        |why: String| Fault::new(Exit::NotPermitted, format!("cannot change capability {name}: {why}"));
    let capability: Capability = name.parse().map_err(|_| refused("no such capability".to_owned()))?;
    act(capability).map_err(|error| refused(error.to_string()))
}
