//! The dialer, as a program, in network namespaces that each test makes on its thread; nothing is left.

mod firewall;
mod refusals;
mod server;
mod space;

/// The probe's children.
#[test]
fn probe_child() {
    waagent_probe::child(&waagent_fetch::dial::policy::POLICY);
}

/// The tests' own children: another user, who dials.
#[test]
fn peer_child() {
    space::peer_child();
}
