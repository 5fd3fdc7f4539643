//! Storage through a recording proxy.

use std::io::{Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use waagent_common::transfer::answer::FailureKind;
use waagent_fabric::route::Route;

use super::stand::{Stand, head, put};

/// A proxy for CONNECT that notes its heads, for as long as the process lives.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let head = head(&client);
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            noted.lock().unwrap().push(head);
            tunnel(client, &target);
        }
    });
    (address, seen)
}

fn tunnel(mut client: TcpStream, target: &str) {
    let Ok(server) = TcpStream::connect(target) else {
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").unwrap();
        return;
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
        std::thread::spawn(move || {
            let _ended = copy(&mut from, &mut to);
            let _closed = to.shutdown(Shutdown::Write);
        });
    }
}

fn behind(address: SocketAddr, no_proxy: &str) -> Stand {
    let url = format!("http://{address}");
    Stand::configured(
        "OS.AllowHTTP=y\n",
        &[("http_proxy", &url), ("https_proxy", &url), ("no_proxy", no_proxy)],
    )
}

#[test]
fn blobs_go_through_the_proxy_which_sees_no_signature() {
    let (address, seen) = proxy();
    let stand = behind(address, "");
    assert_eq!(stand.order(&put(&stand.status_blob(), 3), b"abc").status(), 201);
    let storage = stand.fabric.addresses().storage_http;
    let heads = seen.lock().unwrap().concat();
    assert!(heads.starts_with(&format!("CONNECT {storage} ")) && !heads.contains("CANARY"), "{heads}");
}

#[test]
fn no_proxy_leads_past_it() {
    let (address, seen) = proxy();
    let stand = behind(address, "127.0.0.0/8");
    assert_eq!(stand.order(&put(&stand.status_blob(), 3), b"abc").status(), 201);
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[test]
fn a_proxy_is_not_asked_for_the_platform() {
    let (address, seen) = proxy();
    let stand = behind(address, "");
    for host in ["168.63.129.16", "2822734096", "[::ffff:169.254.169.254]"] {
        let told = stand.get(&format!("http://{host}/machine"));
        assert_eq!(told.failure().0, FailureKind::Refused, "{host}: {told:?}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[test]
fn nothing_goes_round_a_proxy_that_is_dead_or_refused() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (lines, kind) in [
        (format!("HttpProxy.Host={}\nHttpProxy.Port={}\n", dead.ip(), dead.port()), FailureKind::Connect),
        ("HttpProxy.Host=u:CANARY@proxy\n".to_owned(), FailureKind::Refused),
    ] {
        let stand = Stand::configured(&format!("OS.AllowHTTP=y\n{lines}"), &[]);
        let told = stand.get(&stand.status_blob());
        assert_eq!(told.failure().0, kind, "{told:?}");
        assert!(!told.failure().1.contains("CANARY"), "{told:?}");
        assert_eq!(stand.fabric.record().count(Route::StorageGet), 0);
    }
}
