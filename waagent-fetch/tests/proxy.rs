//! Storage through a recording proxy, and the platform never.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use waagent_common::config::Config;
use waagent_fabric::fault::Act;
use waagent_fabric::route::Route;
use waagent_fetch::packages::channels::Channel;
use waagent_fetch::packages::run;
use waagent_fetch::proxy::{Environment, Proxies};

use support::{NoWait, Stand};

mod support;

/// A proxy for CONNECT that notes its request lines, for as long as the process lives.
fn proxy() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            let mut reader = &client;
            while !head.ends_with(b"\r\n\r\n") && reader.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
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

fn proxies(stand: &Stand, address: SocketAddr, no_proxy: Option<&str>) -> Proxies {
    let config = Config::load(stand.root.root(), None).unwrap();
    let url = Some(format!("http://{address}"));
    Proxies::new(&config, &Environment { http: url.clone(), https: url, none: no_proxy.map(str::to_owned) })
}

#[test]
fn packages_go_through_the_proxy_and_the_plugin_does_not() {
    let mut stand = Stand::new("http", "BlockBlob");
    let (address, seen) = proxy();
    stand.settings.proxies = proxies(&stand, address, None);
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let report = run(stand.work(), Channel::Direct, None, &mut NoWait::default()).unwrap();
    assert_eq!((report.ready, report.channel), (1, Channel::Direct));
    let storage = stand.fabric.addresses().storage_http;
    let heads = seen.lock().unwrap().clone();
    assert!(
        !heads.is_empty() && heads.iter().all(|head| head.starts_with(&format!("CONNECT {storage} "))),
        "{heads:?}"
    );
    assert!(!heads.concat().contains("CANARY"), "{heads:?}");
    stand.want(&[("Test.Two", "2.1.3", 1)]);
    let closed = Act::Status { code: 404, retry_after: None, text: None };
    stand.break_routes(&[Route::StorageGet], &closed);
    let report = run(stand.work(), Channel::HostGaPlugin, None, &mut NoWait::default()).unwrap();
    assert_eq!((report.ready, seen.lock().unwrap().len()), (1, heads.len()));
}

#[test]
fn no_proxy_leads_past_it() {
    let mut stand = Stand::new("http", "BlockBlob");
    let (address, seen) = proxy();
    stand.settings.proxies = proxies(&stand, address, Some("127.0.0.0/8"));
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let report = run(stand.work(), Channel::Direct, None, &mut NoWait::default()).unwrap();
    assert_eq!((report.ready, report.channel, seen.lock().unwrap().len()), (1, Channel::Direct, 0));
}

#[test]
fn the_plugin_serves_where_the_proxy_is_dead_or_refused_and_nothing_goes_round_it() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for lines in [
        format!("HttpProxy.Host={}\nHttpProxy.Port={}\n", dead.ip(), dead.port()),
        "HttpProxy.Host=u:CANARY@proxy\n".to_owned(),
    ] {
        let mut stand = Stand::new("http", "BlockBlob");
        std::fs::create_dir_all(stand.root.root().join("etc")).unwrap();
        std::fs::write(stand.root.root().join("etc/waagent.conf"), lines).unwrap();
        let config = Config::load(stand.root.root(), None).unwrap();
        stand.settings.proxies = Proxies::new(&config, &Environment::default());
        stand.want(&[("Test.One", "1.0.0", 1)]);
        let report = run(stand.work(), Channel::Direct, None, &mut NoWait::default()).unwrap();
        assert_eq!((report.ready, report.channel), (1, Channel::HostGaPlugin));
        assert_eq!(stand.count(Route::StorageGet), 0);
    }
}
