//! The gate, as a program, in network namespaces that each test makes on its thread; nothing is left.

mod firewall;
mod requests;
mod server;
mod space;

/// The tests' own children: another user, who asks the gate.
#[test]
fn peer_child() {
    space::peer_child();
}
