//! TLS: the system's authorities, or those of `SSL_CERT_FILE`, and no way round them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use waagent_common::transfer::answer::FailureKind;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::route::Route;
use waagent_fabric::scenario::Scenario;
use waagent_support::transfer::Transfer;

use super::stand::{PROGRAM, Stand, Told, put};

/// A stand with storage by TLS, whose authority the program knows or doesn't.
fn stand(is_known: bool) -> (Stand, TempDir) {
    let state = TempDir::new().unwrap();
    let options = Options {
        storage_https: "0.0.0.0:0".parse().unwrap(),
        state: Some(state.path().to_owned()),
        storage_host: Some("127.0.0.1".to_owned()),
        ..Options::loopback()
    };
    let scenario = Scenario::parse("[storage]\nscheme = \"https\"\nsignature = \"CANARY-SAS\"\n").unwrap();
    let fabric = Fabric::start(scenario, &options).unwrap();
    let root = TempDir::new().unwrap();
    // Where it may read it: among the system's.
    let authority = root.path().join("etc/ssl/authority.pem");
    fs::create_dir_all(authority.parent().unwrap()).unwrap();
    fs::write(root.path().join("etc/waagent.conf"), "").unwrap();
    fs::write(&authority, if is_known { fabric.ca_pem().unwrap() } else { String::new().into() }).unwrap();
    let environment = [("SSL_CERT_FILE", authority.to_str().unwrap())];
    let transfer = Transfer::start(Path::new(PROGRAM), root.path(), &environment);
    (Stand { fabric, root, transfer }, state)
}

#[test]
fn moves_a_blob_both_ways_by_tls() {
    let (stand, _state) = stand(true);
    let uri = stand.status_blob();
    assert!(uri.starts_with("https://127.0.0.1:"), "{uri}");
    let text = vec![b'x'; 300_000];
    assert_eq!(stand.order(&put(&uri, text.len()), &text).status(), 201);
    assert_eq!(stand.get(&uri).body(), text);
}

#[test]
fn refuses_a_certificate_of_another_name() {
    let (stand, _state) = stand(true);
    let told = stand.get(&stand.status_blob().replace("127.0.0.1", "127.0.0.2"));
    let expected = "TLS: certificate verify failed: IP address mismatch";
    assert_eq!(told.failure(), (FailureKind::Tls, expected));
}

#[test]
fn refuses_an_unknown_authority_and_asks_nothing() {
    let (stand, _state) = stand(false);
    let told = stand.get(&stand.status_blob());
    let expected = "TLS: certificate verify failed: unable to get local issuer certificate";
    assert_eq!(told.failure(), (FailureKind::Tls, expected));
    assert_eq!(stand.fabric.record().count(Route::StorageGet), 0);
    // What is put in place of the authorities is read by its next process, which the failure has asked for.
    fs::write(stand.root.path().join("etc/ssl/authority.pem"), stand.fabric.ca_pem().unwrap()).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let is_answered = || matches!(stand.get(&stand.status_blob()), Told::Answered(..));
    while !is_answered() && Instant::now() < until {
        stand.call();
    }
    assert_eq!(stand.get(&stand.status_blob()).status(), 404, "no blob, but an answer");
}

#[test]
fn a_server_without_tls_is_refused() {
    let (stand, _state) = stand(true);
    let address = stand.fabric.addresses().storage_http;
    let told = stand.get(&format!("https://{address}/"));
    assert_eq!(told.failure().0, FailureKind::Tls, "{told:?}");
}
