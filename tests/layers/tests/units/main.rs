//! The units: what `make install` installs, their order beside cloud-init's, their exposure, whether each says what its
//! program declares, and what a service manager makes of them. None of our programs is started but `waagent audit`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

mod calls;
mod declaration;
mod exposure;
mod in_force;
mod installed;
mod kernel;
mod order;
mod rules;

/// systemd's own tool is the judge; without it nothing is judged.
fn has_systemd_analyze() -> bool {
    let has = waagent_layers::has("systemd-analyze");
    if !has {
        waagent_untested::not_tested("systemd-analyze isn't installed");
    }
    has
}
