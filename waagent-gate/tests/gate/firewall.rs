//! The reason for the gate: what the fetcher opens itself is stopped, what uid 0 opened for it works.
//!
//! Firewall and guest proxy look at who opens a connection.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::net::SocketAddr;

use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::scenario::Scenario;

use super::space::{FETCHER, Space, WIRESERVER};

/// The platform at its real addresses; it refuses openers other than uid 0, as the guest proxy does.
fn platform() -> Fabric {
    let options = Options {
        wire_server: SocketAddr::from((WIRESERVER, 80)),
        host_plugin: SocketAddr::from((WIRESERVER, 32526)),
        imds: SocketAddr::from(([169, 254, 169, 254], 80)),
        ..Options::loopback()
    };
    Fabric::start(Scenario::shipped("first-boot").unwrap(), &options).unwrap()
}

#[test]
fn a_socket_of_the_gate_works_where_the_fetchers_own_is_stopped() {
    let Some(space) = Space::new("") else { return };
    let _platform = platform();
    let _gate = space.gate();
    // Without a firewall the guest proxy's rule shows alone: 403 for a connection that the fetcher opened.
    assert_eq!(space.peer(FETCHER, "own"), "HTTP/1.1 403 Forbidden");
    let protected = waagent_net::firewall::enforce(WIRESERVER, true);
    assert_eq!(protected.fault, None);
    assert_eq!(space.peer(FETCHER, "own"), "timed out");
    for target in ["w", "p", "i"] {
        assert_eq!(space.peer(FETCHER, target), "HTTP/1.1 200 OK", "{target}");
    }
}
