use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn scratch() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path());
    fs::create_dir_all(root.state_path("net")).unwrap();
    (dir, root)
}

fn endpoint() -> Endpoint {
    Endpoint {
        address: Endpoint::WELL_KNOWN,
        source: EndpointSource::Lease,
        interface: Some("eth0".to_owned()),
        option_245: None,
    }
}

fn written() -> (tempfile::TempDir, Root) {
    let (dir, root) = scratch();
    let inputs = Inputs::new().digest("configuration", "abc");
    write(&root, &endpoint(), &inputs, &Sandbox::unconfined()).unwrap();
    (dir, root)
}

#[test]
fn reads_what_was_written_and_writes_it_once() {
    let (_dir, root) = written();
    let read = Document::<Endpoint>::read(&root).unwrap();
    assert_eq!(read.body, endpoint());
    let inputs = Inputs::new().digest("configuration", "abc");
    assert!(read.is_made_from(&inputs));
    assert!(!read.is_made_from(&Inputs::new()));
    assert_eq!(write(&root, &endpoint(), &inputs, &Sandbox::unconfined()).unwrap(), Written::Unchanged);
    let mode = fs::metadata(path_of::<Endpoint>(&root)).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn a_missing_document_names_its_writer() {
    let (_dir, root) = scratch();
    let fault = Document::<Endpoint>::read(&root).unwrap_err();
    assert_eq!(fault.exit, Exit::NoInput);
    assert!(fault.text.contains("endpoint.json") && fault.text.contains("waagent-net"), "{fault}");
    assert!(Document::<Endpoint>::read_if_there(&root).unwrap().is_none());
}

/// Damages the document in one way, and expects a refusal that leaves the file in place.
fn refused(damage: impl Fn(&str) -> String, why: &str) {
    let (_dir, root) = written();
    let path = path_of::<Endpoint>(&root);
    let damaged = damage(&fs::read_to_string(&path).unwrap());
    fs::write(&path, &damaged).unwrap();
    let fault = Document::<Endpoint>::read(&root).unwrap_err();
    assert_eq!(fault.exit, Exit::Data);
    assert!(fault.text.contains("endpoint.json") && fault.text.contains(why), "{fault}");
    assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
}

#[test]
fn refuses_damaged_documents() {
    refused(|text| text.replace("endpoint/1", "endpoint/2"), "schema 'waagent/endpoint/2'");
    refused(|text| text.replace("\"address\"", "\"adress\""), "unknown field `adress`");
    refused(|text| text.replace("168.63.129.16", "168.63.129.256"), "invalid IPv4 address");
    refused(|text| text.get(..text.len() / 2).unwrap().to_owned(), "EOF");
    refused(|text| text.replace("eth0", "an-interface-name-over-15"), "body.interface");
    refused(|text| format!("{text}{}", " ".repeat(70 << 10)), "more than the 65536 allowed");
}

#[test]
fn refuses_documents_that_others_may_write_or_that_are_links() {
    let (_dir, root) = written();
    let path = path_of::<Endpoint>(&root);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(Document::<Endpoint>::read(&root).unwrap_err().text.contains("others may write it"));
    let elsewhere = root.state_path("net/elsewhere.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(Document::<Endpoint>::read(&root).unwrap_err().text.contains("symbolic link"));
}

#[test]
fn refuses_a_document_of_another_owner() {
    if !waagent_untested::is_root("to give a file away") {
        return;
    }
    let (_dir, root) = written();
    let path = path_of::<Endpoint>(&root);
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    let fault = Document::<Endpoint>::read(&root).unwrap_err();
    assert!(fault.text.contains("owner 65534 isn't waagent-net"), "{fault}");
}
