//! Storage: kinds of blobs, signatures, whole pages, and the status that comes through them.

mod common;

use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{config, send, start};
use serde_json::json;
use waagent_fabric::fabric::Fabric;
use waagent_fabric::until::Until;
use waagent_fabric::xml::text_at;

const VERSION: (&str, &str) = ("x-ms-version", "2014-02-14");

/// Path and query of the status blob.
fn status_target(fabric: &Fabric) -> Result<String> {
    let uri = text_at(&config(fabric, "ExtensionsConfig", &[])?.xml()?, "StatusUploadBlob");
    Ok(format!("/{}", uri.splitn(4, '/').nth(3).context("no status blob")?))
}

fn put(fabric: &Fabric, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<u16> {
    let headers = [&[VERSION], headers].concat();
    Ok(send(fabric.addresses().storage_http, "PUT", target, &headers, body)?.status)
}

#[test]
fn takes_a_block_blob_by_its_signature_only() -> Result<()> {
    let fabric = start("")?;
    let target = status_target(&fabric)?;
    let kind = [("x-ms-blob-type", "BlockBlob")];
    let unsigned = target.replace("sig=CANARY", "sig=guess");
    assert_eq!(put(&fabric, &unsigned, &kind, b"{}")?, 403);
    assert_eq!(put(&fabric, &target, &[], b"{}")?, 400);
    assert_eq!(fabric.record().last_status, None);
    assert_eq!(put(&fabric, &target, &kind, br#"{"version":"1.1"}"#)?, 201);
    assert_eq!(fabric.record().last_status, Some(json!({"version": "1.1"})));
    let read = send(fabric.addresses().storage_http, "GET", &target, &[], b"")?;
    assert_eq!(read.text(), r#"{"version":"1.1"}"#);
    assert_eq!(send(fabric.addresses().storage_http, "GET", &unsigned, &[], b"")?.status, 403);
    Ok(())
}

#[test]
fn takes_a_page_blob_in_whole_pages_only() -> Result<()> {
    let fabric = start("goal_state.status_blob = 'PageBlob'")?;
    let target = status_target(&fabric)?;
    let create = |length: &str, body: &[u8]| {
        put(&fabric, &target, &[("x-ms-blob-type", "PageBlob"), ("x-ms-blob-content-length", length)], body)
    };
    let write = |range: &str, body: &[u8]| {
        let headers = [("x-ms-range", range), ("x-ms-page-write", "update")];
        put(&fabric, &format!("{target}&comp=page"), &headers, body)
    };
    let page = format!("{:<512}", r#"{"version":"1.1"}"#);
    assert_eq!(write("bytes=0-511", page.as_bytes())?, 404, "before it is created");
    assert_eq!((create("100", b"")?, create("512", b"x")?, create("512", b"")?), (400, 400, 201));
    assert_eq!(write("bytes=0-510", &page.as_bytes()[..511])?, 416, "not aligned");
    assert_eq!(write("bytes=0-511", &page.as_bytes()[..100])?, 416, "not as long as the body");
    assert_eq!(write("bytes=512-1023", page.as_bytes())?, 416, "behind the end");
    assert_eq!(
        put(&fabric, &format!("{target}&comp=page"), &[("x-ms-range", "bytes=0-511")], page.as_bytes())?,
        400
    );
    assert_eq!(write("bytes=0-511", page.as_bytes())?, 201);
    assert_eq!(fabric.record().last_status, Some(json!({"version": "1.1"})));
    assert_eq!(put(&fabric, &target, &[("x-ms-blob-type", "BlockBlob")], b"{}")?, 409);
    Ok(())
}

#[test]
fn appends() -> Result<()> {
    let fabric = start("")?;
    let target = status_target(&fabric)?.replace("/status/", "/logs/");
    let append = format!("{target}&comp=appendblock");
    assert_eq!(put(&fabric, &append, &[], b"plum")?, 404);
    assert_eq!(put(&fabric, &target, &[("x-ms-blob-type", "AppendBlob")], b"")?, 201);
    assert_eq!((put(&fabric, &append, &[], b"plum ")?, put(&fabric, &append, &[], b"pear")?), (201, 201));
    let path = target.split('?').next().context("no path")?;
    assert_eq!(fabric.blob(path), Some(b"plum pear".to_vec()));
    Ok(())
}

#[test]
fn takes_a_status_through_the_host() -> Result<()> {
    let fabric = start("")?;
    let goal_state = common::goal_state(&fabric)?;
    let configuration = "Container/RoleInstanceList/RoleInstance/Configuration/ConfigName";
    let (container, name) =
        (text_at(&goal_state, "Container/ContainerId"), text_at(&goal_state, configuration));
    let headers = [
        ("x-ms-version", "2015-09-01"),
        ("Content-type", "application/json"),
        ("x-ms-containerid", container.as_str()),
        ("x-ms-host-config-name", name.as_str()),
    ];
    let uri = text_at(&config(&fabric, "ExtensionsConfig", &[])?.xml()?, "StatusUploadBlob");
    let body = |uri: &str, length: &str| {
        let inner = [("x-ms-blob-type", "BlockBlob"), VERSION, ("Content-Length", length)];
        let inner: Vec<_> = inner.iter().map(|(n, v)| json!({"headerName": n, "headerValue": v})).collect();
        json!({"content": STANDARD.encode("{}"), "headers": inner, "requestUri": uri}).to_string()
    };
    let status = |body: String| -> Result<u16> {
        Ok(send(fabric.addresses().host_plugin, "PUT", "/status", &headers, body.as_bytes())?.status)
    };
    assert_eq!(status(body("https://evil.example/x?sig=1", "2"))?, 400);
    assert_eq!(status(body(&uri, "3"))?, 400);
    assert_eq!(status(body(&uri.replace("sig=C", "sig=X"), "2"))?, 502);
    assert!(!fabric.wait(&Until::Status, Duration::ZERO));
    assert_eq!(status(body(&uri, "2"))?, 200);
    assert!(fabric.wait(&Until::Status, Duration::ZERO));
    assert_eq!(fabric.record().status_uploads[0].channel, "host-plugin");
    Ok(())
}

fn handler(name: &str, sequence: u64, status: &str) -> serde_json::Value {
    json!({"handlerName": name, "handlerVersion": "1.0.0", "status": "Ready", "runtimeSettingsStatus":
        {"sequenceNumber": sequence, "settingsStatus": {"status": {"status": status}}}})
}

#[test]
fn knows_when_all_extensions_have_succeeded_and_goes_on() -> Result<()> {
    let fabric = start(
        "[[extension]]\nname = 'A.B{n}'\nrepeat = 2\nsettings.seq_no = 3\n[[then]]\nafter = 'status-success'\nextension = []",
    )?;
    let target = status_target(&fabric)?;
    let report = |handlers: &[serde_json::Value]| {
        let body = json!({"aggregateStatus": {"handlerAggregateStatus": handlers}}).to_string();
        put(&fabric, &target, &[("x-ms-blob-type", "BlockBlob")], body.as_bytes())
    };
    let met = |until: &str| -> Result<bool> { Ok(fabric.wait(&until.parse()?, Duration::ZERO)) };
    report(&[handler("a.b1", 3, "success")])?;
    assert!(!met("status-done")?, "one is missing");
    report(&[handler("A.B1", 3, "success"), handler("A.B2", 2, "success")])?;
    assert!(!met("status-done")?, "one has an old number");
    report(&[handler("A.B1", 3, "success"), handler("A.B2", 3, "error")])?;
    assert!(met("status-done")? && !met("status-success")? && met("goal-state=1")? && !met("goal-state=2")?);
    report(&[handler("A.B1", 3, "success"), handler("A.B2", 3, "success")])?;
    assert!(met("goal-state=2")? && !met("status-success")?, "the new goal state has no status yet");
    assert_eq!(text_at(&common::goal_state(&fabric)?, "Incarnation"), "2");
    report(&[])?;
    assert!(met("status-success")?);
    Ok(())
}

#[test]
fn serves_storage_by_tls_to_those_who_trust_its_authority() -> Result<()> {
    let fabric = Fabric::start(
        waagent_fabric::scenario::Scenario::shipped("one-extension")?,
        &waagent_fabric::fabric::Options::loopback(),
    )?;
    let folder = tempfile::TempDir::new()?;
    std::fs::write(folder.path().join("ca.pem"), fabric.ca_pem()?)?;
    let at = fabric.addresses().storage_https;
    let request = "GET /manifests/Contoso.Load.Trivial1.xml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let connect = |trust: &[&str]| {
        let address = at.to_string();
        let arguments = [
            &["s_client", "-quiet", "-verify_return_error", "-verify_ip", "127.0.0.1", "-connect", &address],
            trust,
        ]
        .concat();
        common::openssl(folder.path(), &arguments, request.as_bytes())
    };
    let trusted = connect(&["-CAfile", "ca.pem"])?;
    assert!(String::from_utf8_lossy(&trusted).contains("PluginVersionManifest"));
    assert!(connect(&[]).is_err(), "an unknown authority is trusted");
    Ok(())
}
