//! The reason for the gate: what the fetcher opens itself is stopped, what uid 0 opens for it works.
//!
//! Firewall and guest proxy look at who opens a connection.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::process::Command;

use caps::{Capability, CapsHashSet};
use waagent_common::gate::protocol::Target;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::scenario::Scenario;
use waagent_support::network::{FETCHER, as_user, platform as platform_at, said};
use waagent_support::program;

use super::space::Space;

/// The platform at its real addresses; it refuses openers other than uid 0, as the guest proxy does.
fn platform() -> Fabric {
    let options = Options {
        wire_server: platform_at(Target::WireServer),
        host_plugin: platform_at(Target::HostGaPlugin),
        ..Options::loopback()
    };
    Fabric::start(Scenario::shipped("first-boot").unwrap(), &options).unwrap()
}

#[test]
fn a_request_by_the_gate_works_where_the_fetchers_own_connection_is_stopped() {
    let Some(space) = Space::new("") else { return };
    let _platform = platform();
    let _gate = space.gate();
    // Without a firewall the guest proxy's rule shows alone: 403 for a connection that the fetcher opened.
    assert_eq!(space.peer(FETCHER, "own"), "HTTP/1.1 403 Forbidden");
    let mut net = Command::new(program("waagent-net"));
    net.arg("--root").arg(space.folder.path()).arg("firewall");
    as_user(&mut net, 0, CapsHashSet::from([Capability::CAP_NET_ADMIN]));
    let (code, told) = said(&net.output().unwrap());
    assert!(code == 0 && told.contains("firewall rules for 168.63.129.16"), "{told}");
    assert_eq!(space.peer(FETCHER, "own"), "timed out");
    assert_eq!(space.peer(FETCHER, "w"), "HTTP/1.1 200 OK");
    let told = space.peer(FETCHER, "p");
    assert!(told.starts_with("HTTP/1.1 ") && !told.contains("403"), "{told}");
}
