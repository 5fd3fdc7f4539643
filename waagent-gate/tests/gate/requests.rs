//! What passes the gate, and what doesn't.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::sys::socket::{MsgFlags, send};
use waagent_common::gate::protocol::Target;
use waagent_support::network::platform;

use super::space::{OK, Space, answers, heard, is_whole, request, versions};

const CERTIFICATE: &str = "MIIBoWnCertificate==";
const HEALTH: &str = "POST /machine?comp=health";

/// The connection passes no more than this: what the platform gets was written by the gate.
#[test]
fn the_platform_gets_a_head_of_the_gates_own_and_the_body() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let platform = answers(Target::WireServer, "<Health/>", OK);
    let headers =
        ["X-MS-Version:   2012-11-30  ", "Content-Length: 9", "Content-Type: text/xml;charset=utf-8"];
    let mut peer = space.knock();
    peer.write_all(&request('w', HEALTH, &headers, "<Health/>")).unwrap();
    assert_eq!(heard(&mut peer), format!("c{OK}"));
    assert!(is_whole(&peer));
    drop(peer);
    assert_eq!(
        platform.join().unwrap(),
        "POST /machine?comp=health HTTP/1.1\r\nHost: 168.63.129.16\r\nConnection: close\r\n\
         x-ms-version: 2012-11-30\r\ncontent-type: text/xml;charset=utf-8\r\nContent-Length: 9\r\n\r\n<Health/>"
    );
}

fn for_certificates(query: &str, certificate: Option<&str>) -> Vec<u8> {
    let header = certificate.map(|certificate| format!("x-ms-guest-agent-public-x509-cert: {certificate}"));
    let headers: Vec<&str> = header.as_deref().into_iter().collect();
    request('w', &format!("GET /machine/a/b?{query}"), &headers, "")
}

/// The attack that the gate is for.
#[test]
fn refuses_another_certificate_than_the_machines_own() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let ask = |query, certificate| space.ask(&for_certificates(query, certificate));
    let refused = |query, certificate, why: &str| {
        let told = ask(query, certificate);
        assert!(told.starts_with('d') && told.contains(why), "{told}");
    };
    refused("comp=certificates", Some(CERTIFICATE), "no certificate to compare with");
    space.certificate(CERTIFICATE);
    refused("comp=certificates", Some("MIIBtHeirs=="), "isn't that of certs/transport.json");
    refused("comp=certificates", Some(""), "isn't that of certs/transport.json");
    refused("comp=certificates", None, "without x-ms-guest-agent-public-x509-cert");
    refused("comp=%63ERTificates", None, "without x-ms-guest-agent-public-x509-cert");
    // It is the header that is guarded, whatever is asked for.
    refused("comp=remoteAccessInfo", Some("MIIBtHeirs=="), "isn't that of certs/transport.json");
    let platform = answers(Target::WireServer, "\r\n\r\n", OK);
    assert_eq!(ask("comp=certificates", Some(CERTIFICATE)), format!("c{OK}"));
    platform.join().unwrap();
    // As it is at that moment.
    space.certificate("MIIBnExt==");
    refused("comp=certificates", Some(CERTIFICATE), "isn't that of certs/transport.json");
    let platform = answers(Target::WireServer, "\r\n\r\n", OK);
    assert_eq!(ask("comp=certificates", Some("MIIBnExt==")), format!("c{OK}"));
    platform.join().unwrap();
}

#[test]
fn refuses_what_no_row_names_and_what_could_be_read_in_two_ways() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let listener = TcpListener::bind(platform(Target::WireServer)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let long = format!("user-agent: {}", "a".repeat(17 << 10));
    let cases: [(Vec<u8>, &str); 12] = [
        (b"x".to_vec(), "names no target"),
        (request('i', "GET /metadata/instance", &[], ""), "names no target"),
        (request('w', "GET /machine?comp=health", &[], ""), "no row of the table"),
        (request('w', "GET /machine/../x", &[], ""), "no row of the table"),
        (request('w', "DELETE /machine/x", &[], ""), "method"),
        (request('w', "GET http://10.0.0.1/", &[], ""), "begin with '/'"),
        (request('w', "GET /?comp=versions", &["x-ms-other: 1"], ""), "header 'x-ms-other'"),
        (request('w', HEALTH, &["Transfer-Encoding: chunked"], "0\r\n\r\n"), "header 'transfer-encoding'"),
        (request('w', HEALTH, &["Content-Length: 1", "content-length: 2"], "xx"), "'content-length' twice"),
        (request('w', HEALTH, &["Content-Length: 16385"], ""), "the row allows 16384"),
        (request('w', "GET /?comp=versions", &["user-agent: a\rb"], ""), "neither printable ASCII"),
        (request('w', "GET /?comp=versions", &[&long], ""), "more than 16384 bytes"),
    ];
    for (bytes, why) in cases {
        let told = space.ask(&bytes);
        assert!(told.starts_with('d') && told.ends_with('\n') && told.contains(why), "{why}: {told}");
    }
    assert!(listener.accept().is_err(), "not even a connection was made");
}

/// Two heads in one write, and one that comes later.
#[test]
fn a_second_request_behind_the_first_goes_nowhere() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let [_, second @ ..] = &versions()[..] else { unreachable!() };
    let told = space.ask(&[versions(), second.to_vec()].concat());
    assert!(told.contains("more bytes than the Content-Length announced"), "{told}");
    let listener = TcpListener::bind(platform(Target::WireServer)).unwrap();
    let mut peer = space.knock();
    peer.write_all(&versions()).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut come = vec![0; 64];
    stream.read_exact(&mut come).unwrap();
    peer.write_all(second).unwrap();
    stream.read_to_end(&mut come).unwrap();
    assert_eq!(String::from_utf8(come).unwrap().matches("HTTP/1.1").count(), 1);
    assert_eq!((heard(&mut peer).as_str(), is_whole(&peer)), ("c", false));
}

#[test]
fn the_platform_gets_no_byte_more_than_was_announced() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let told = space.ask(&request('w', HEALTH, &["Content-Length: 3"], "<Health/>"));
    assert!(told.contains("more bytes than the Content-Length announced"), "{told}");
    // Fewer: the fetcher's end is the end. For the WireServer, nothing has begun before.
    let mut peer = space.knock();
    peer.write_all(&request('w', HEALTH, &["Content-Length: 9"], "<He")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard(&mut peer), "");
    let platform = answers(Target::HostGaPlugin, "<He", "");
    let mut peer = space.knock();
    peer.write_all(&request('p', "PUT /status", &["Content-Length: 9"], "<He")).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(heard(&mut peer), "c");
    assert!(!is_whole(&peer));
    assert!(platform.join().unwrap().ends_with("\r\n\r\n<He"));
}

/// By a server that leaves a body unread, and takes it for the next request.
#[test]
fn a_body_for_the_wireserver_is_whole_before_it_goes_and_holds_no_certificate() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let listener = TcpListener::bind(platform(Target::WireServer)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let hidden =
        "GET /machine/x?comp=certificates HTTP/1.1\r\nX-MS-Guest-Agent-Public-X509-Cert: MIIB\r\n\r\n";
    let length = format!("Content-Length: {}", hidden.len());
    let told = space.ask(&request('w', HEALTH, &[&length], hidden));
    assert!(told.contains("a body with the name of x-ms-guest-agent-public-x509-cert"), "{told}");
    // Also where it comes in pieces, after any that would have gone before.
    let mut peer = space.knock();
    let (first, second) = hidden.split_at(60);
    peer.write_all(&request('w', HEALTH, &[&length], first)).unwrap();
    assert!(space.ask(b"x").contains("names no target"), "it has had its turn");
    assert!(listener.accept().is_err(), "not even a connection was made");
    peer.write_all(second.as_bytes()).unwrap();
    assert!(heard(&mut peer).contains("a body with the name of"));
    // As long as there may be.
    drop(listener);
    let platform = answers(Target::WireServer, "end", OK);
    let body = "x".repeat((16 << 10) - 3) + "end";
    assert_eq!(space.ask(&request('w', HEALTH, &["Content-Length: 16384"], &body)), format!("c{OK}"));
    platform.join().unwrap();
}

#[test]
fn an_early_answer_to_a_large_body_is_delivered() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let length = 8 << 20;
    let head = request('p', "PUT /status", &[&format!("Content-Length: {length}")], "");
    let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
    // It reads no more than the head.
    let listener = TcpListener::bind(platform(Target::HostGaPlugin)).unwrap();
    let (done, until_done) = channel::<()>();
    let platform = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        until_done.recv().unwrap();
    });
    let mut peer = space.knock();
    peer.write_all(&head).unwrap();
    let mut writer = peer.try_clone().unwrap();
    let body = std::thread::spawn(move || writer.write_all(&vec![b'x'; length]));
    let mut begin = vec![0; 1 + answer.len()];
    peer.read_exact(&mut begin).unwrap();
    assert_eq!(String::from_utf8(begin).unwrap(), format!("c{answer}"));
    done.send(()).unwrap();
    platform.join().unwrap();
    assert!(body.join().unwrap().is_err(), "the rest isn't taken");
}

#[test]
fn what_is_broken_off_is_told_from_what_has_ended() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let ask = |peer: &mut UnixStream| {
        peer.write_all(&versions()).unwrap();
        heard(peer)
    };
    // Without a length: only its end says that an answer is whole.
    let platform = answers(Target::WireServer, "\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhalf");
    let mut peer = space.knock();
    assert!(ask(&mut peer).ends_with("half") && is_whole(&peer));
    drop(peer);
    platform.join().unwrap();
    let whole = "x".repeat(1 << 20);
    let platform = answers(Target::WireServer, "\r\n\r\n", &whole);
    let mut peer = space.knock();
    assert!(ask(&mut peer).len() == 1 + whole.len() && is_whole(&peer), "as long as the row allows");
    drop(peer);
    platform.join().unwrap();
    let endless = "x".repeat(2 << 20);
    let platform = answers(Target::WireServer, "\r\n\r\n", &endless);
    let mut peer = space.knock();
    assert_eq!(ask(&mut peer).len(), 1 + (1 << 20), "the row's bound");
    assert!(!is_whole(&peer));
    platform.join().unwrap();
}

/// Whatever hears of the reset first, the reading of the answer or the writing of the body.
#[test]
fn an_answer_that_a_reset_cuts_off_is_never_whole() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    for _ in 0..5 {
        let listener = TcpListener::bind(platform(Target::HostGaPlugin)).unwrap();
        let mut peer = space.knock();
        peer.write_all(&request('p', "PUT /status", &["Content-Length: 8388608"], "")).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 64]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").unwrap();
        peer.read_exact(&mut [0; 24]).unwrap();
        let mut writer = peer.try_clone().unwrap();
        let body = std::thread::spawn(move || writer.write_all(&vec![b'x'; 8 << 20]));
        // It has unread bytes: the kernel resets.
        stream.read_exact(&mut [0; 1 << 10]).unwrap();
        drop(stream);
        heard(&mut peer);
        assert!(!is_whole(&peer));
        assert!(body.join().unwrap().is_err());
    }
}

#[test]
fn a_byte_out_of_band_ends_the_request() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let urgent = |peer: &UnixStream| send(peer.as_raw_fd(), b"x", MsgFlags::MSG_OOB).unwrap();
    let mut peer = space.knock();
    urgent(&peer);
    assert_eq!(heard(&mut peer), "");
    let listener = TcpListener::bind(platform(Target::WireServer)).unwrap();
    let mut peer = space.knock();
    peer.write_all(&versions()).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    urgent(&peer);
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn a_fetcher_that_goes_away_ends_the_request() {
    let Some(space) = Space::new("") else { return };
    let _gate = space.gate();
    let listener = TcpListener::bind(platform(Target::WireServer)).unwrap();
    let mut peer = space.knock();
    peer.write_all(&versions()).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.read_exact(&mut [0; 64]).unwrap();
    drop(peer);
    stream.read_to_end(&mut Vec::new()).unwrap();
}
