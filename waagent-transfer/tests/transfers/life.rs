//! Who may call, how many at a time, and when the program ends.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use caps::CapsHashSet;
use nix::sys::socket::SockType;
use waagent_common::transfer::stream::Timed;
use waagent_support::network::{as_user, has_fetcher, listening, said, with_descriptor_3};

use super::stand::{PROGRAM, Stand, Told, answer, get, head, is_closed, put, server};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn four_orders_at_a_time_and_the_others_wait() {
    let stand = Stand::new();
    let (listener, address) = server();
    let mut callers: Vec<Timed> = (0..6).map(|_| stand.call()).collect();
    for caller in &mut callers {
        caller.write_frame(&get(&format!("http://{address}/"))).unwrap();
    }
    let accept = || {
        let (client, _) = listener.accept().unwrap();
        head(&client);
        client
    };
    let served: Vec<TcpStream> = (0..4).map(|_| accept()).collect();
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "a fifth");
    listener.set_nonblocking(false).unwrap();
    // The two that waited come by a connection that was kept, or by a new one.
    std::thread::spawn(move || {
        for client in served {
            std::thread::spawn(move || say_ok(client));
        }
        for client in listener.incoming().flatten() {
            head(&client);
            std::thread::spawn(move || say_ok(client));
        }
    });
    for mut caller in callers {
        assert_eq!(answer(&mut caller).body(), b"ok");
    }
}

/// Answers a request whose head was read, and all that follow.
fn say_ok(mut client: TcpStream) {
    while client.write_all(OK).is_ok() && !head(&client).is_empty() {}
}

#[test]
fn one_order_after_the_other_goes_by_one_connection() {
    let stand = Stand::new();
    let (listener, address) = server();
    let serving = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        for _ in 0..3 {
            head(&client);
            client.write_all(OK).unwrap();
        }
        // Closed while nobody asks: the next order opens another.
        drop(client);
        let (mut client, _) = listener.accept().unwrap();
        head(&client);
        client.write_all(OK).unwrap();
    });
    for _ in 0..4 {
        assert_eq!(stand.get(&format!("http://{address}/")).body(), b"ok");
    }
    serving.join().unwrap();
}

#[test]
fn a_caller_who_goes_ends_his_transfer() {
    let stand = Stand::new();
    let (listener, address) = server();
    // While the head is waited for, and within the body.
    for told in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"] {
        let mut caller = stand.call();
        caller.write_frame(&get(&format!("http://{address}/"))).unwrap();
        let (mut client, _) = listener.accept().unwrap();
        head(&client);
        client.write_all(told).unwrap();
        drop(caller);
        assert!(is_closed(&client), "{told:?}");
    }
    // And while he stores.
    let mut caller = stand.call();
    caller.write_frame(&put(&format!("http://{address}/"), 1000)).unwrap();
    let (client, _) = listener.accept().unwrap();
    head(&client);
    drop(caller);
    assert!(is_closed(&client));
}

#[test]
fn strangers_are_not_heard() {
    if std::env::var_os("PEER").is_some() || !waagent_untested::is_root("to become another user") {
        return;
    }
    let stand = Stand::new();
    // The socket's mode is the first guard, the peer's user the second.
    let peer = |uid| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "life::what_a_peer_hears", "--nocapture"]);
        command.env("PEER", stand.transfer.socket()).env("URI", stand.status_blob());
        as_user(&mut command, uid, CapsHashSet::new());
        said(&command.output().unwrap()).1
    };
    assert!(peer(65534).contains("PermissionDenied"), "by its mode");
    std::fs::set_permissions(stand.transfer.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(peer(65534).contains("heard Nothing("), "by its user");
    assert!(peer(waagent_support::network::FETCHER).contains("heard Answered("), "the twin");
}

/// In a process of another user: says what it hears.
#[test]
fn what_a_peer_hears() {
    let Some(socket) = std::env::var_os("PEER") else { return };
    let uri = std::env::var("URI").unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let mut stream = Timed::connect(Path::new(&socket), until).unwrap();
    let _refused = stream.write_frame(&get(&uri));
    let heard: Told = answer(&mut stream);
    let text = format!("heard {heard:?}\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// Started once, and not again: with an order to this URI, or without.
fn alone(uri: Option<&str>) -> (i32, String, Duration) {
    let root = tempfile::tempdir().unwrap();
    has_fetcher(root.path(), "OS.AllowHTTP=y\n");
    let socket = root.path().join("transfer.sock");
    let listener = listening(&socket, SockType::Stream);
    let mut command = with_descriptor_3(&listener, true);
    command.arg(PROGRAM).arg("--root").arg(root.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let caller = uri.map(|uri| {
        let mut caller = Timed::connect(&socket, Instant::now() + Duration::from_secs(20)).unwrap();
        caller.write_frame(&get(uri)).unwrap();
        caller
    });
    let begun = Instant::now();
    let (code, text) = said(&command.output().unwrap());
    drop(caller);
    (code, text, begun.elapsed())
}

#[test]
fn ends_after_ten_seconds_without_an_order() {
    if !waagent_untested::is_root("to own the socket") {
        return;
    }
    let (code, text, took) = alone(None);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("ended: no order for a while") && took >= Duration::from_secs(10),
        "{text} {took:?}"
    );
}

#[test]
fn ends_soon_and_says_why_when_a_host_was_not_found() {
    if !waagent_untested::is_root("to own the socket") {
        return;
    }
    let (code, text, took) = alone(Some("http://no-such-host.invalid/"));
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("to be started anew: a host or an authority wasn't found"), "{text}");
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn ends_at_once_without_a_socket() {
    let root = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM).arg("--root").arg(root.path()).output().unwrap();
    let (code, text) = said(&output);
    assert_eq!(code, 66, "{text}");
    assert!(text.contains("start waagent-transfer.socket"), "{text}");
}
