//! The gate and its peers, kind and unkind.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, SockType, send};

use waagent_common::sys::fd::send_fd;
use waagent_support::network::{FETCHER, listening, said, tell as run, with_descriptor_3};

use super::space::{STRANGER, Space, WIRESERVER, answer, is_idle, still_waits};

const CONNECTED: (Option<char>, bool) = (Some('c'), true);

fn server() -> TcpListener {
    TcpListener::bind((WIRESERVER, 80)).unwrap()
}

#[test]
fn passes_a_connected_socket_and_says_when_a_target_refuses() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let _gate = space.gate();
    assert_eq!(space.ask(b"w"), CONNECTED);
    assert_eq!(space.ask(b"p"), (Some('r'), false), "nobody listens there");
}

#[test]
fn refuses_users_other_than_the_fetcher() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let _gate = space.gate();
    let told = space.peer(STRANGER, "p");
    assert!(told.contains("Permission denied") && told.contains("systemctl start waagent-gate"), "{told}");
    // The socket's mode is the first guard, the peer's user the second.
    fs::set_permissions(space.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let told = space.peer(STRANGER, "p");
    assert_eq!(told, "cannot connect to HostGAPlugin: the gate serves only the user waagent-fetch");
    assert_eq!(space.peer(FETCHER, "p"), "cannot connect to HostGAPlugin: connection refused");
}

#[test]
fn refuses_everything_but_the_three_bytes() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let _gate = space.gate();
    let huge = vec![b'w'; 100_000];
    let requests: [&[u8]; 7] = [b"x", b"W", b"\0", b"\xff", b"ww", b"168.63.129.16:22", &huge];
    for request in requests {
        assert_eq!(space.ask(request), (Some('?'), false), "{} bytes", request.len());
    }
    assert_eq!(space.ask(b""), (None, false), "nothing is asked, nothing answered");
    assert_eq!(space.ask(b"w"), CONNECTED);
}

#[test]
fn takes_no_descriptor_from_a_peer() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    for _ in 0..20 {
        let peer = space.knock();
        send_fd(peer.as_fd(), b"w", fs::File::open("/etc/passwd").unwrap().as_fd()).unwrap();
        assert_eq!(answer(&peer), CONNECTED);
    }
    assert_eq!(space.ask(b"x"), (Some('?'), false));
    assert!(is_idle(&gate));
}

#[test]
fn peers_that_say_nothing_hold_up_nobody_for_long() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    // On a machine that is so busy that they are dismissed meanwhile, once more.
    let few = (0..5)
        .map(|_| (0..10).map(|_| space.knock()).collect::<Vec<_>>())
        .find(|few| {
            assert_eq!(space.ask(b"w"), CONNECTED);
            few.iter().all(still_waits)
        })
        .expect("who asks is served beside those who say nothing, and not after them");
    // More than it serves at a time: who is last waits until the first are dismissed.
    let many: Vec<_> = (0..10).map(|_| space.knock()).collect();
    assert_eq!(space.ask(b"w"), CONNECTED);
    for peer in few.iter().chain(&many) {
        assert_eq!(answer(peer), (None, false), "dismissed without a word");
    }
    assert!(is_idle(&gate));
}

#[test]
fn peers_that_go_away_leave_nothing_behind() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    for request in [&b""[..], b"w", b"x", b"ww"].repeat(50) {
        let peer = space.knock();
        if !request.is_empty() {
            send(peer.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL).unwrap();
        }
    }
    // The last in the queue is served after all that.
    assert_eq!(space.ask(b"w"), CONNECTED);
    assert!(is_idle(&gate));
}

#[test]
fn a_silent_target_holds_up_no_other() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let _gate = space.gate();
    let table = "add table ip t; add chain ip t o { type filter hook output priority 0; }; \
                 add rule ip t o tcp dport 32526 drop";
    run("nft", &[table]);
    let begun = Instant::now();
    let beside_silent_ones = || {
        let silent: Vec<_> = (0..3).map(|_| space.knock()).collect();
        for peer in &silent {
            send(peer.as_raw_fd(), b"p", MsgFlags::MSG_NOSIGNAL).unwrap();
        }
        for _ in 0..5 {
            assert_eq!(space.ask(b"w"), CONNECTED);
        }
        let is_beside = silent.iter().all(still_waits);
        for peer in &silent {
            assert_eq!(answer(peer), (Some('t'), false));
        }
        is_beside
    };
    // On a machine that is so busy that these took five seconds, once more.
    assert!((0..3).any(|_| beside_silent_ones()), "who asks is served after the silent ones");
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_network_that_is_down_is_said_at_once() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    run("ip", &["address", "flush", "dev", "lo"]);
    for target in [b"w", b"p", b"i"] {
        assert_eq!(space.ask(target), (Some('u'), false));
    }
}

#[test]
fn goes_to_the_address_that_the_document_names_if_it_may() {
    let Some(space) = Space::new("Protocol.AllowedEndpoints=10.9.8.7\n") else { return };
    let other = Ipv4Addr::new(10, 9, 8, 7);
    run("ip", &["address", "add", "10.9.8.7/32", "dev", "lo"]);
    let _gate = space.gate();
    let _other = TcpListener::bind((other, 80)).unwrap();
    assert_eq!(space.ask(b"w"), (Some('r'), false), "nobody at the well-known address");
    space.endpoint(other);
    assert_eq!(space.ask(b"w"), CONNECTED, "without a restart");
    // Attack A8: an address that nobody allowed.
    space.endpoint(Ipv4Addr::new(10, 9, 8, 8));
    assert_eq!(space.ask(b"w"), (Some('n'), false));
    assert_eq!(space.ask(b"p"), (Some('n'), false));
    assert_eq!(space.ask(b"i"), (Some('r'), false), "IMDS has nothing to do with it");
    space.endpoint(other);
    assert_eq!(space.ask(b"w"), CONNECTED);
}

#[test]
fn a_new_gate_goes_on_with_the_same_socket() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    assert_eq!(space.ask(b"w"), CONNECTED);
    drop(gate);
    let waiting = space.knock();
    send(waiting.as_raw_fd(), b"w", MsgFlags::MSG_NOSIGNAL).unwrap();
    let _again = space.gate();
    assert_eq!(answer(&waiting), CONNECTED);
}

#[test]
fn does_not_start_without_the_socket_of_pid_1() {
    let Some(space) = Space::new("") else { return };
    let stream = listening(&space.folder.path().join("stream"), SockType::Stream);
    let cases = [
        (&space.listener, false, "none was passed (LISTEN_FDS=1 and our LISTEN_PID)"),
        (&stream, true, "it is no listening socket of sequenced packets"),
        (&space.knock(), true, "it is no listening socket of sequenced packets"),
        (&fs::File::open("/dev/null").unwrap().into(), true, "ENOTSOCK"),
    ];
    for (passed, told, why) in cases {
        let mut command = with_descriptor_3(passed, told);
        command.arg(env!("CARGO_BIN_EXE_waagent-gate")).arg("--root").arg(space.folder.path());
        let (code, text) = said(&command.output().unwrap());
        assert_eq!(code, 66, "{text}");
        assert!(text.contains(why) && text.contains("start waagent-gate.socket"), "{text}");
    }
}
