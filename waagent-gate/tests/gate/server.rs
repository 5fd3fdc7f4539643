//! The gate and its peers, kind and unkind.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::io::{IoSlice, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, SockType, UnixAddr, sendmsg};
use waagent_common::gate::client::counts;
use waagent_common::gate::protocol::Target;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::scenario::Scenario;
use waagent_support::network::{
    FETCHER, listening, platform as platform_at, said, tell as run, with_descriptor_3,
};

use super::space::{STRANGER, Space, heard, is_idle, request, still_waits, versions};

/// The WireServer alone.
fn server() -> Fabric {
    let options = Options { wire_server: platform_at(Target::WireServer), ..Options::loopback() };
    Fabric::start(Scenario::shipped("first-boot").unwrap(), &options).unwrap()
}

fn is_answered(told: &str) -> bool {
    told.starts_with("cHTTP/1.1 200 OK\r\n")
}

#[test]
fn brings_an_answer_and_says_when_a_target_refuses() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let _gate = space.gate();
    assert!(is_answered(&space.ask(&versions())));
    assert_eq!(space.ask(&request('p', "GET /versions", &[], "")), "r", "nobody listens there");
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

/// For `waagent status`. A fetcher that was taken over can't keep what was refused to itself.
#[test]
fn root_is_told_what_passed_and_what_was_refused() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let _gate = space.gate();
    assert_eq!(counts(&space.root()).unwrap(), "0 requests passed, 0 refused");
    assert!(is_answered(&space.ask(&versions())));
    space.ask(&request('w', "GET /other", &[], ""));
    let refused =
        "1 request passed, 1 refused (the last: no row of the table has GET of '/other' at WireServer)";
    assert_eq!(counts(&space.root()).unwrap(), refused);
    let told = space.peer(FETCHER, "counts");
    assert!(told.contains("a first byte that names no target"), "{told}");
}

/// Eight requests that hang, and more than may wait.
#[test]
fn a_fetcher_that_takes_every_place_hides_nothing_from_root() {
    let Some(space) = Space::new("") else { return };
    let _silent = TcpListener::bind(platform_at(Target::WireServer)).unwrap();
    let _gate = space.gate();
    let _held = space.holds(100);
    let begun = Instant::now();
    let told = counts(&space.root()).unwrap();
    assert!(
        told.starts_with("8 requests passed, 0 refused") && begun.elapsed() < Duration::from_secs(2),
        "{told}"
    );
    assert_eq!(space.peer(FETCHER, "w"), "cannot connect to WireServer: the gate failed; see its log");
}

/// Whoever keeps one request open after the other.
#[test]
fn a_gate_whose_configuration_was_replaced_ends_with_its_last_request() {
    let Some(space) = Space::new("") else { return };
    let listener = TcpListener::bind(platform_at(Target::WireServer)).unwrap();
    let mut gate = space.gate();
    let mut first = space.knock();
    first.write_all(&versions()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let configuration = space.folder.path().join("etc/waagent.conf");
    fs::write(configuration.with_extension("new"), "OS.EnableFirewall=n\n").unwrap();
    fs::rename(configuration.with_extension("new"), configuration).unwrap();
    let mut second = space.knock();
    second.write_all(&versions()).unwrap();
    drop(stream);
    assert_eq!(heard(&mut first), "c");
    drop(first);
    let until = Instant::now() + Duration::from_secs(20);
    while gate.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "it goes on for the second");
        std::thread::yield_now();
    }
    assert!(still_waits(&second));
    let _next = space.gate();
    drop(listener.accept().unwrap());
    assert_eq!(heard(&mut second), "c");
}

/// Each keeps a local port for a minute where the gate closes first.
#[test]
fn who_asks_too_fast_is_refused_and_does_not_fill_the_log() {
    let Some(space) = Space::new("") else { return };
    let log = space.folder.path().join("log");
    let _gate = space.gate_that_logs(&log);
    let mut answers = (0..3000).map(|_| space.ask(&versions()));
    assert!(answers.all(|word| word == "r" || word == "f"));
    let told = fs::read_to_string(&log).unwrap();
    let of =
        |count| told.contains(&format!("more than 50 connections in a second, {count} such failures so far"));
    assert!(of(1) && of(10) && of(100) && told.matches("so far").count() <= 4, "{told}");
}

#[test]
fn takes_no_descriptor_from_a_peer() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    let file = fs::File::open("/etc/passwd").unwrap();
    for _ in 0..20 {
        let mut peer = space.knock();
        let (fds, bytes) = ([file.as_raw_fd()], versions());
        let (parts, control) = ([IoSlice::new(&bytes)], [ControlMessage::ScmRights(&fds)]);
        sendmsg::<UnixAddr>(peer.as_raw_fd(), &parts, &control, MsgFlags::empty(), None).unwrap();
        assert!(is_answered(&heard(&mut peer)));
    }
    assert!(is_idle(&gate));
}

/// Eight at a time; who is ninth waits until one of them is dismissed.
#[test]
fn peers_that_send_no_head_are_dismissed_and_a_ninth_waits_for_that() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    let begun = Instant::now();
    let mut few: Vec<_> = (0..7).map(|_| space.knock()).collect();
    for peer in &mut few {
        peer.write_all(b"wGET /?comp=versions HTTP/1.1\r\nuser-").unwrap();
    }
    assert!(is_answered(&space.ask(&versions())), "there is a place beside them");
    few.push(space.knock());
    assert!(is_answered(&space.ask(&versions())), "and then there is again");
    assert!(begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    for peer in &mut few {
        assert_eq!(heard(peer), "dno whole head within 5 s\n");
    }
    assert!(is_idle(&gate));
    assert!(counts(&space.root()).unwrap().contains(", 8 refused (the last: no whole head"));
}

#[test]
fn peers_that_go_away_leave_nothing_behind() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    let whole = versions();
    for bytes in [&b""[..], b"w", b"x", b"wGET", whole.as_slice()].repeat(50) {
        space.knock().write_all(bytes).unwrap();
    }
    // The last in the queue is served after all that.
    assert!(is_answered(&space.ask(&versions())));
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
        let mut silent: Vec<_> = (0..3).map(|_| space.knock()).collect();
        for peer in &mut silent {
            peer.write_all(&request('p', "GET /versions", &[], "")).unwrap();
        }
        for _ in 0..5 {
            assert!(is_answered(&space.ask(&versions())));
        }
        let is_beside = silent.iter().all(still_waits);
        for peer in &mut silent {
            assert_eq!(heard(peer), "t");
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
    assert_eq!(space.ask(&versions()), "u");
    assert_eq!(space.ask(&request('p', "GET /versions", &[], "")), "u");
}

#[test]
fn goes_to_the_address_that_the_document_names_if_it_may() {
    let Some(space) = Space::new("Protocol.AllowedEndpoints=10.9.8.7\n") else { return };
    let other = Ipv4Addr::new(10, 9, 8, 7);
    run("ip", &["address", "add", "10.9.8.7/32", "dev", "lo"]);
    let _gate = space.gate();
    let options = Options { wire_server: (other, 80).into(), ..Options::loopback() };
    let _other = Fabric::start(Scenario::shipped("first-boot").unwrap(), &options).unwrap();
    assert_eq!(space.ask(&versions()), "r", "nobody at the well-known address");
    space.endpoint(other);
    // Without a restart; and the Host is that of the target.
    assert!(space.ask(&versions()).contains("a Host that isn't 10.9.8.7"));
    let there = b"wGET /?comp=versions HTTP/1.1\r\nHost: 10.9.8.7\r\n\r\n";
    assert!(is_answered(&space.ask(there)));
    // Attack A8: an address that nobody allowed.
    space.endpoint(Ipv4Addr::new(10, 9, 8, 8));
    assert_eq!(space.ask(&versions()), "n");
    assert_eq!(space.ask(&request('p', "GET /versions", &[], "")), "n");
    space.endpoint(other);
    assert!(is_answered(&space.ask(there)));
}

#[test]
fn a_new_gate_goes_on_with_the_same_socket() {
    let Some(space) = Space::new("") else { return };
    let _listening = server();
    let gate = space.gate();
    assert!(is_answered(&space.ask(&versions())));
    drop(gate);
    let mut waiting = space.knock();
    waiting.write_all(&versions()).unwrap();
    let _again = space.gate();
    assert!(is_answered(&heard(&mut waiting)));
}

#[test]
fn does_not_start_without_the_socket_of_pid_1() {
    let Some(space) = Space::new("") else { return };
    let packets = listening(&space.folder.path().join("packets"), SockType::SeqPacket);
    let cases = [
        (&space.listener, false, "none was passed (LISTEN_FDS=1 and our LISTEN_PID)"),
        (&packets, true, "it is no listening socket of streams"),
        (&space.knock().into(), true, "it is no listening socket of streams"),
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
