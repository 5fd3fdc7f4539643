//! Packages that are damaged or hostile: refused before anything is in root, and a good one beside them.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use waagent_common::root::Root;
use waagent_common::types::{HandlerName, HandlerVersion};
use waagent_ext::error::ExtensionError;
use waagent_ext::handler::paths::HandlerPaths;
use waagent_ext::package::Limits;
use waagent_ext::package::unpack::unpack;

use crate::raw_zip::{Raw, archive};
use crate::stage::{GOOD, Handler, MANIFEST, Stage, zip_of};

fn limits() -> Limits {
    Limits { package: 64 << 20, unpacked: 32 << 20, file: 16 << 20, entries: 100, free: 1 << 20 }
}

/// Unpacks into a fresh tree.
fn unpacked(bytes: &[u8]) -> (TempDir, HandlerPaths, Result<(), ExtensionError>) {
    let scratch = tempfile::tempdir().unwrap();
    let root = Root::new(scratch.path());
    fs::create_dir_all(root.state_path("")).unwrap();
    let name = HandlerName::try_from("Test.Pack").unwrap();
    let home = HandlerPaths::new(&root, "/var/log/azure", &name, &HandlerVersion::try_from("1.0").unwrap());
    let path = scratch.path().join("package.zip");
    fs::write(&path, bytes).unwrap();
    let result = unpack(&File::open(path).unwrap(), &home, &limits(), false);
    (scratch, home, result)
}

/// Refused with this text, and nothing is left.
fn refused(what: &str, bytes: &[u8], why: &str) {
    let (scratch, home, result) = unpacked(bytes);
    let trouble = result.expect_err(what);
    assert!(trouble.text.contains(why), "{what}: {}", trouble.text);
    assert!(trouble.text.starts_with("Failed to download artifacts: "), "{what}");
    let left: Vec<_> =
        fs::read_dir(home.base().parent().unwrap()).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "{what}: {left:?}");
    assert!(
        !scratch.path().join("var/lib/escaped").exists() && !Path::new("/tmp/waagent-escaped").exists(),
        "{what}"
    );
}

/// Entries beside a good manifest.
fn with_manifest(entries: Vec<Raw<'_>>) -> Vec<u8> {
    let mut all = vec![Raw::new("HandlerManifest.json", MANIFEST.as_bytes())];
    all.extend(entries);
    archive(&all, None)
}

#[test]
fn unpacks_what_publishers_make() {
    let bytes = with_manifest(vec![
        Raw { mode: 0o104_777, ..Raw::new("./bin//tool", b"#!/bin/sh\n") },
        Raw { mode: 0o120_777, ..Raw::new("lib/link", b"tool.so.1") },
        Raw { mode: 0o040_777, ..Raw::new("empty/", b"") },
        Raw::new("A", b"a"),
        Raw::new("a", b"b"),
        Raw::new("config/HandlerState", b"Enabled"),
        Raw::new("package_validated", b""),
        Raw::new("HandlerEnvironment.json", b"forged"),
    ]);
    let (_root, home, result) = unpacked(&bytes);
    result.unwrap();
    let mode = |name: &str| fs::metadata(home.base().join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("bin/tool"), mode("bin"), mode("")), (0o744, 0o755, 0o700));
    assert_eq!(mode("HandlerManifest.json"), 0o644);
    assert_eq!(fs::read_to_string(home.base().join("lib/link")).unwrap(), "tool.so.1");
    assert!(home.base().join("empty").is_dir());
    assert_eq!(fs::read_to_string(home.base().join("A")).unwrap(), "a");
    for ours in ["config/HandlerState", "package_validated", "HandlerEnvironment.json"] {
        assert!(!home.base().join(ours).exists(), "{ours}");
    }
}

#[test]
fn refuses_names_that_lead_out() {
    for name in ["../../escaped", "/tmp/waagent-escaped", "a/../../x", "..", "a\\..\\b", "a\nb"] {
        refused(name, &with_manifest(vec![Raw::new(name, b"x")]), "unsafe path");
    }
    let nul = Raw { name: b"a\0b", ..Raw::new("", b"x") };
    refused("NUL", &with_manifest(vec![nul]), "unsafe path");
    let deep = "d/".repeat(33) + "f";
    refused("deep", &with_manifest(vec![Raw::new(&deep, b"x")]), "32 folders");
}

#[test]
fn refuses_links_devices_and_what_is_in_their_way() {
    let link = |target: &'static [u8]| Raw { mode: 0o120_777, ..Raw::new("config", target) };
    refused("absolute link", &with_manifest(vec![link(b"/etc")]), "leads out");
    refused("upward link", &with_manifest(vec![link(b"../..")]), "leads out");
    refused(
        "file through a link",
        &with_manifest(vec![link(b"bin"), Raw::new("config/x", b"x")]),
        "a folder where a file is",
    );
    refused(
        "file over a folder",
        &with_manifest(vec![Raw::new("b/x", b"x"), Raw::new("b", b"x")]),
        "a file where a folder is",
    );
    for (what, mode) in [("device", 0o060_644), ("pipe", 0o010_644), ("socket", 0o140_644)] {
        refused(what, &with_manifest(vec![Raw { mode, ..Raw::new("x", b"") }]), "device, pipe or socket");
    }
}

#[test]
fn refuses_bombs_by_count_size_and_ratio() {
    let names: Vec<String> = (0..120).map(|n| format!("f{n}")).collect();
    refused(
        "too many",
        &with_manifest(names.iter().map(|n| Raw::new(n, b"")).collect()),
        "more than the 100",
    );
    let big = Raw { size: Some(2 << 30), ..Raw::new("big", b"x") };
    refused("one too big", &with_manifest(vec![big]), "more than the 16777216");
    let zeros = vec![0; 12 << 20];
    refused("ratio", &deflated(&[("HandlerManifest.json", MANIFEST.as_bytes()), ("z", &zeros)]), "200 times");
    let four = vec![0; 9 << 20];
    let files: Vec<(&str, &[u8])> = ["a", "b", "c", "d"].iter().map(|n| (*n, four.as_slice())).collect();
    refused("all too big", &deflated(&files), "unpacked, more than the 33554432");
}

/// A header may lie about the size: what is counted is what comes out.
#[test]
fn refuses_a_file_that_is_bigger_than_it_says() {
    let zeros = vec![0; 20 << 20];
    let mut bytes = deflated(&[("HandlerManifest.json", MANIFEST.as_bytes()), ("z", &zeros)]);
    let truth = (20_u32 << 20).to_le_bytes();
    let at: Vec<usize> =
        bytes.windows(4).enumerate().filter(|(_, w)| *w == truth).map(|(at, _)| at).collect();
    assert!(!at.is_empty());
    for at in at {
        bytes[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    refused("lying size", &bytes, "over the 16777216 bytes");
}

fn deflated(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in files {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn refuses_what_is_no_sound_archive() {
    let good = with_manifest(vec![Raw::new("f", b"content")]);
    refused("empty", b"", "no end record");
    refused("a web page", b"<html><body>not here</body></html>", "no end record");
    refused("truncated", &good[..good.len() - 30], "");
    refused("without its end", &good[..good.len() - 22], "no end record");
    let mut wrong = good.clone();
    let at = wrong.windows(7).position(|w| w == b"content").unwrap();
    wrong[at] = b'C';
    refused("checksum", &wrong, "checksum");
    let entries = [Raw::new("HandlerManifest.json", MANIFEST.as_bytes())];
    refused("count", &archive(&entries, Some(9)), "entries");
    refused("twice", &with_manifest(vec![Raw::new("f", b"1"), Raw::new("f", b"2")]), "two entries");
    refused(
        "twice by another spelling",
        &with_manifest(vec![Raw::new("a/f", b"1"), Raw::new("a//f", b"2")]),
        "two entries",
    );
    let folder = Raw { mode: 0o040_755, ..Raw::new("f", b"x") };
    refused("a folder", &with_manifest(vec![folder]), "a folder with content");
    let encrypted = Raw { flags: 1, ..Raw::new("f", b"x") };
    refused("encrypted", &with_manifest(vec![encrypted]), "encrypted");
    refused("method", &with_manifest(vec![Raw { method: 12, ..Raw::new("f", b"x") }]), "another method");
    let renamed = Raw { local_name: Some(b"g"), ..Raw::new("f", b"x") };
    refused("local name", &with_manifest(vec![renamed]), "another name");
    let mut trailing = good.clone();
    trailing.extend(vec![b'x'; 70 << 10]);
    refused("trailing", &trailing, "after its end");
    let shared = Raw { local_name: Some(b"f"), offset: Some(0), ..Raw::new("HandlerManifest.json2", b"") };
    refused("shared header", &with_manifest(vec![shared]), "another name");
}

#[test]
fn finds_the_manifest_that_is_least_deep_and_drops_its_byte_order_mark() {
    let marked = format!("\u{feff}{MANIFEST}");
    let bytes =
        zip_of(&[("deep/er/HandlerManifest.json", b"[]"), ("z/HandlerManifest.json", marked.as_bytes())]);
    let (_root, home, result) = unpacked(&bytes);
    result.unwrap();
    assert_eq!(fs::read_to_string(home.base().join("HandlerManifest.json")).unwrap(), MANIFEST);
    refused("no manifest", &zip_of(&[("f", b"x")]), "HandlerManifest.json not found");
}

#[test]
fn a_bad_package_fails_its_extension_alone_and_is_asked_for_again() {
    let stage = Stage::new();
    let (bad, good) = (Handler::new("Test.Bad", GOOD), Handler::new("Test.Good", GOOD));
    stage.goal(1, vec![bad.extension(), good.extension()]);
    stage.package("Test.Bad", "1.0.0", &with_manifest(vec![Raw::new("../../escaped", b"x")]));
    stage.offer(&good);
    stage.settle();
    let entry = stage.handler("Test.Bad");
    assert_eq!((&entry["status"], &entry["code"]), (&"NotReady".into(), &1005.into()));
    assert_eq!(stage.own("Test.Bad")["code"], 1005);
    assert!(!stage.base(&bad).exists());
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
    // Nothing more happens for this goal state; the next one wants another download.
    stage.settle();
    stage.goal(2, vec![bad.extension(), good.extension()]);
    stage.plan();
    let wanted: waagent_common::documents::Wanted = stage.document();
    assert_eq!(wanted.packages.len(), 1);
    assert_eq!((wanted.packages[0].name.as_str(), wanted.packages[0].attempt), ("Test.Bad", 2));
    stage.package_with("Test.Bad", "1.0.0", &bad.zip(), |package| package.attempt = 2);
    stage.settle();
    assert_eq!(stage.handler("Test.Bad")["status"], "Ready");
}

#[test]
fn refuses_a_package_that_is_not_what_its_document_says() {
    for (what, why) in [
        ("digest", "its digest is"),
        ("size", "bytes, not the"),
        ("missing", "no such file"),
        ("huge", "more than the"),
    ] {
        let stage = Stage::new();
        let handler = Handler::new("Test.Good", GOOD);
        stage.goal(1, vec![handler.extension()]);
        stage.package_with("Test.Good", "1.0.0", &handler.zip(), |package| match what {
            "digest" => package.sha256 = waagent_common::types::Sha256::try_from("0".repeat(64)).ok(),
            "size" => package.size = Some(package.size.unwrap() + 1),
            "huge" => package.size = Some(1 << 40),
            _ => {}
        });
        if what == "missing" {
            fs::remove_file(stage.root.state_path("fetch/packages/Test.Good-1.0.0.zip")).unwrap();
        }
        stage.settle();
        let entry = stage.handler("Test.Good");
        assert_eq!(entry["code"], 1004, "{what}");
        assert!(entry["formattedMessage"]["message"].as_str().unwrap().contains(why), "{what}: {entry}");
        assert!(!stage.base(&handler).exists());
    }
}
