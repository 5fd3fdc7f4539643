//! What changes between the fetcher's look and the gate's.

#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::SockType;
use waagent_common::documents::SealedCertificates;
use waagent_common::gate::protocol::SOCKET;
use waagent_common::wait;
use waagent_fabric::route::Route;
use waagent_support::network::listening;

use super::machine::{Machine, SCENARIO};

/// Up to the empty line.
fn head(peer: &mut UnixStream) -> Vec<u8> {
    let (mut come, mut byte) = (Vec::new(), [0]);
    while !come.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).unwrap();
        come.extend_from_slice(&byte);
    }
    come
}

/// Passes a request on, and its answer back.
fn pass_on(mut peer: UnixStream, head: &[u8], mut gate: UnixStream) {
    gate.write_all(head).unwrap();
    let (mut from, mut to) = (peer.try_clone().unwrap(), gate.try_clone().unwrap());
    let body = std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut gate, &mut peer).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let _gone = body.join().unwrap();
}

/// The gate compares with the certificate that is there when it reads the request; the fetcher asks again with it.
#[test]
fn a_certificate_that_is_replaced_in_that_moment_is_asked_for_again() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    let socket = machine.root().runtime_path(SOCKET);
    let gate = socket.with_extension("behind");
    std::fs::rename(&socket, &gate).unwrap();
    let between: UnixListener = listening(&socket, SockType::Stream).into();
    let mut fetcher = machine.fetcher(&["--once"]).spawn().unwrap();
    let mut next = None;
    while fetcher.try_wait().unwrap().is_none() {
        let mut fds = [PollFd::new(between.as_fd(), PollFlags::POLLIN)];
        if !wait::ready(&mut fds, Some(Duration::from_millis(20))).unwrap() {
            continue;
        }
        let (mut peer, _) = between.accept().unwrap();
        let come = head(&mut peer);
        if String::from_utf8_lossy(&come).contains("comp=certificates") && next.is_none() {
            next = Some(machine.transport());
        }
        pass_on(peer, &come, UnixStream::connect(&gate).unwrap());
    }
    assert!(fetcher.wait().unwrap().success());
    let next = next.unwrap().thumbprint().unwrap();
    let sealed = machine.document::<SealedCertificates>().body;
    assert_eq!(sealed.transport_thumbprint.to_string(), next);
    assert_eq!(
        machine.fabric.record().of(Route::Certificates).count(),
        1,
        "the first was refused by the gate"
    );
}
