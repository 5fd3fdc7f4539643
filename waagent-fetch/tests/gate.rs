//! What the client makes of the gate's words, and of its silence: gates that are played by the test.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use waagent_common::gate::protocol::SOCKET;
use waagent_common::root::Root;
use waagent_fetch::http::{Client, HttpError, Request, Response, Target};

/// A gate for one request. Gives what it has heard.
fn gate(root: &Root, play: impl FnOnce(&mut UnixStream) -> Vec<u8> + Send + 'static) -> JoinHandle<Vec<u8>> {
    let path = root.runtime_path(SOCKET);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || play(&mut listener.accept().unwrap().0))
}

/// Reads the target's byte and the head.
fn head(peer: &mut UnixStream) -> Vec<u8> {
    let mut come = Vec::new();
    let mut byte = [0];
    while !come.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).unwrap();
        come.push(byte[0]);
    }
    come
}

/// What the client makes of this; and what the gate heard.
fn asked(
    request: &Request<'_>,
    play: impl FnOnce(&mut UnixStream) -> Vec<u8> + Send + 'static,
) -> (Result<Response, HttpError>, Vec<u8>) {
    let folder = TempDir::new().unwrap();
    let root = Root::new(folder.path());
    let gate = gate(&root, play);
    let client = Client::new(&root, Ipv4Addr::new(168, 63, 129, 16));
    let answer = client.platform(Target::HostGaPlugin, "/status", request);
    (answer, gate.join().unwrap())
}

fn says(words: &'static [u8], end: Shutdown) -> impl FnOnce(&mut UnixStream) -> Vec<u8> {
    move |peer| {
        let come = head(peer);
        peer.write_all(words).unwrap();
        peer.shutdown(end).unwrap();
        // Until the client has gone.
        let _rest = peer.read_to_end(&mut Vec::new());
        come
    }
}

#[test]
fn names_the_target_first_and_leaves_the_rest_to_the_gate() {
    let whole = says(b"cHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Shutdown::Write);
    let (answer, come) = asked(&Request::get(), whole);
    assert_eq!(answer.unwrap().body, b"ok");
    let come = String::from_utf8(come).unwrap();
    assert!(come.starts_with("pGET /status HTTP/1.1\r\n"), "{come}");
    let come = come.to_ascii_lowercase();
    assert!(come.contains("\r\nhost: 168.63.129.16:32526\r\n") && !come.contains("connection:"), "{come}");
}

#[test]
fn a_refusal_of_the_gates_is_never_the_platforms() {
    let (answer, _) = asked(&Request::get(), says(b"dno row of the table\n", Shutdown::Both));
    assert!(
        matches!(&answer, Err(HttpError::Denied(why)) if why.contains("no row of the table")),
        "{answer:?}"
    );
    assert!(!answer.unwrap_err().is_retryable());
    let others: [&'static [u8]; 4] = [b"r", b"t", b"u", b"x"];
    for word in others {
        let (answer, _) = asked(&Request::get(), says(word, Shutdown::Both));
        assert!(matches!(&answer, Err(HttpError::Gate(_))), "{answer:?}");
    }
    for nonsense in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"] {
        let (answer, _) = asked(&Request::get(), says(nonsense, Shutdown::Both));
        assert!(matches!(&answer, Err(HttpError::Gate(_))), "{answer:?}");
    }
    // The platform's own words come after the gate's.
    let refused = says(b"cHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", Shutdown::Write);
    assert_eq!(asked(&Request::get(), refused).0.unwrap().status, 403);
}

#[test]
fn an_answer_that_is_broken_off_is_no_answer() {
    // Without a length: only the gate knows whether this is all.
    const HALF: &[u8] = b"cHTTP/1.1 200 OK\r\n\r\nhalf";
    assert_eq!(asked(&Request::get(), says(HALF, Shutdown::Write)).0.unwrap().body, b"half");
    let (answer, _) = asked(&Request::get(), says(HALF, Shutdown::Both));
    assert!(matches!(&answer, Err(HttpError::Broken(_))), "{answer:?}");
}

#[test]
fn an_answer_is_broken_off_also_where_the_gate_has_not_read_the_whole_request() {
    let (answer, _) = asked(&Request::put(b"body"), |peer| {
        let come = head(peer);
        peer.read_exact(&mut [0]).unwrap();
        peer.write_all(b"cHTTP/1.1 200 OK\r\n\r\nhalf").unwrap();
        come
    });
    assert!(matches!(&answer, Err(HttpError::Broken(_))), "{answer:?}");
}

/// RFC 9110, 15.2: what comes before the answer is none.
#[test]
fn a_continue_does_not_end_the_sending() {
    let body = vec![b'x'; 8 << 20];
    let (answer, _) = asked(&Request::put(&body), |peer| {
        let come = head(peer);
        peer.write_all(b"cHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        peer.read_exact(&mut vec![0; 8 << 20]).unwrap();
        peer.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let _rest = peer.read_to_end(&mut Vec::new());
        come
    });
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, &b"ok"[..]));
}

#[test]
fn an_answer_that_comes_early_ends_the_sending() {
    let body = vec![b'x'; 8 << 20];
    let early = says(b"cHTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", Shutdown::Write);
    assert_eq!(asked(&Request::put(&body), early).0.unwrap().status, 413);
    // The same where the gate refuses the head.
    let refused = says(b"da body of 8388608 bytes\n", Shutdown::Both);
    let (answer, _) = asked(&Request::put(&body), refused);
    assert!(matches!(&answer, Err(HttpError::Denied(_))), "{answer:?}");
}
