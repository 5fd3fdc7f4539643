//! Storage by TLS: the system's authorities, or those of `SSL_CERT_FILE`, and no way round them.
//!
//! OpenSSL reads its environment once, so each case is a process of its own: the test runs itself again with
//! `SSL_CERT_FILE` set to the authority of a fabric whose state is kept.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::path::Path;
use std::process::Command;

use waagent_common::documents::{BlobKind, Document, PackageState, Uris};
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::route::Route;
use waagent_fetch::packages::channels::Channel;
use waagent_fetch::packages::run;
use waagent_fetch::status::{Sent, Uploader, send};

use support::{NoWait, Stand, scenario};

mod support;

const ONE: &str = "Test.One-1.0.0";
/// Beside the fabric's own `ca.pem`, in its folder.
const AUTHORITY: &str = "authority-of-the-fabric-in-this-test.pem";

/// A stand whose authority is below this folder, and whose plugin is of no use.
fn stand(state: &Path) -> Stand {
    let any = "0.0.0.0:0".parse().unwrap();
    let options = Options {
        state: Some(state.to_owned()),
        storage_https: any,
        storage_host: Some("127.0.0.1".to_owned()),
        ..Options::loopback()
    };
    let mut stand = Stand::with(scenario("https", "PageBlob"), &options);
    stand.settings.allow_http = false;
    let gone = waagent_fabric::fault::Act::Status { code: 404, retry_after: None, text: None };
    stand.break_routes(&[Route::HostPluginVersions], &gone);
    stand.want(&[("Test.One", "1.0.0", 1)]);
    stand
}

/// In the first process: makes the authority, runs this test again with it, and says no. In the second: says yes,
/// with the folder.
fn with_the_authority(test: &str) -> Option<std::path::PathBuf> {
    // A machine may have the variable set: only a file of this name, which no machine has, is ours.
    let ca = std::env::var_os("SSL_CERT_FILE").map(std::path::PathBuf::from);
    if let Some(ca) = ca.filter(|ca| ca.file_name().is_some_and(|name| name == AUTHORITY)) {
        return ca.parent().map(Path::to_owned);
    }
    let state = tempfile::tempdir().unwrap();
    let options = Options { state: Some(state.path().to_owned()), ..Options::loopback() };
    let fabric = Fabric::start(scenario("https", "PageBlob"), &options).unwrap();
    let ca = state.path().join(AUTHORITY);
    std::fs::write(&ca, fabric.ca_pem().unwrap()).unwrap();
    drop(fabric);
    let program = std::env::current_exe().unwrap();
    let done = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env("SSL_CERT_FILE", &ca)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"), "no test '{test}'");
    None
}

#[test]
fn fetches_and_uploads_by_tls_over_kept_connections() {
    let Some(state) = with_the_authority("fetches_and_uploads_by_tls_over_kept_connections") else { return };
    let stand = stand(&state);
    let report = run(stand.work(), Channel::Direct, None, &mut NoWait::default()).unwrap();
    assert_eq!((report.ready, stand.package(ONE).error), (1, None));
    assert!(stand.package(ONE).uri.unwrap().starts_with("https://127.0.0.1:"));
    stand.report(Vec::new());
    let config = waagent_common::config::Config::load(stand.root.root(), None).unwrap();
    let upload = Uploader::new(&stand.root, &config)
        .prepare(false, std::time::Duration::from_secs(1_000_000))
        .unwrap();
    assert_eq!(upload.blob.kind, BlobKind::Page);
    assert_eq!(send(&stand.client, &stand.settings, &upload), Sent::Taken(Channel::Direct));
    assert!(stand.fabric.record().status_uploads.iter().all(|upload| upload.channel == "direct"));
}

#[test]
fn refuses_a_certificate_of_another_name() {
    let Some(state) = with_the_authority("refuses_a_certificate_of_another_name") else { return };
    let stand = stand(&state);
    let mut uris = Document::<Uris>::read(&stand.root).unwrap().body;
    for uri in uris.extensions.iter_mut().flat_map(|extension| &mut extension.manifests) {
        *uri = uri.replace("127.0.0.1", "127.0.0.2");
    }
    stand.write(&uris);
    let error = refused(&stand);
    assert!(
        error.contains("'https://127.0.0.2:")
            && error.contains("TLS: certificate verify failed: IP address mismatch"),
        "{error}"
    );
}

#[test]
fn refuses_an_unknown_authority_at_once_and_names_host_and_reason() {
    let state = tempfile::tempdir().unwrap();
    let stand = stand(state.path());
    let error = refused(&stand);
    assert!(
        error.contains("'https://127.0.0.1:")
            && error.contains("TLS: certificate verify failed: unable to get local issuer certificate"),
        "{error}"
    );
    assert_eq!(stand.count(Route::StorageGet), 0);
}

/// Nothing came, nothing was tried again, and the answer is the error.
fn refused(stand: &Stand) -> String {
    let mut clock = NoWait::default();
    let report = run(stand.work(), Channel::Direct, None, &mut clock).unwrap();
    let one = stand.package(ONE);
    assert_eq!((report.ready, one.state, clock.waited.len()), (0, PackageState::Failed, 0));
    let error = one.error.unwrap();
    assert!(error.contains("(directly); ") && !error.contains("CANARY"), "{error}");
    error
}
