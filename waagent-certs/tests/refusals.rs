//! From inside the sandbox: what must not be possible, and which layer stops it.

#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use waagent_certs::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};
use waagent_untested::is_root;

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[
            ("opens_no_socket_of_any_family", opens_no_socket_of_any_family),
            ("reads_and_writes_nothing_but_what_is_declared", reads_and_writes_nothing_but_what_is_declared),
            (
                "executes_nothing_and_changes_nothing_of_the_system",
                executes_nothing_and_changes_nothing_of_the_system,
            ),
        ],
    )
}

/// A scratch root that modes leave open, so that what is refused is refused by the sandbox.
fn open_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in FOLDERS {
        let path = root.path().join(folder);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    for file in ["var/lib/waagent/fetch/certificates.json", "var/lib/waagent/ovf-env.xml", "etc/secret"] {
        let path = root.path().join(file);
        fs::write(&path, "x").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    }
    root
}

fn opens_no_socket_of_any_family() {
    if !is_root("to become another user") {
        return;
    }
    let root = open_root();
    let probe = Probe::new(&POLICY, root.path());
    for family in [AF_UNIX, AF_INET, AF_INET6] {
        assert_eq!(probe.verdict(&Act::Socket(family)), Layer::Seccomp, "{family}");
    }
    assert_eq!(probe.verdict(&Act::Connect(80)), Layer::Seccomp);
    assert_eq!(probe.verdict(&Act::Listen), Layer::Seccomp);
}

fn reads_and_writes_nothing_but_what_is_declared() {
    if !is_root("to become another user") {
        return;
    }
    let root = open_root();
    let root = root.path();
    let probe = Probe::new(&POLICY, root);
    let lib = |below: &str| root.join("var/lib/waagent").join(below);

    assert_eq!(probe.verdict(&Act::Read(lib("fetch/certificates.json"))), Layer::Allowed);
    assert_eq!(probe.verdict(&Act::Read(lib("ovf-env.xml"))), Layer::Landlock);
    assert_eq!(probe.verdict(&Act::Read(root.join("etc/secret"))), Layer::Landlock);
    assert_eq!(probe.verdict(&Act::Read("/etc/os-release".into())), Layer::Allowed, "a link into /usr/lib");
    assert_eq!(probe.verdict(&Act::Read("/etc/shadow".into())), Layer::Modes);
    assert_eq!(probe.verdict(&Act::Read("/etc/hostname".into())), Layer::Landlock);

    assert_eq!(probe.verdict(&Act::CreateIn(lib("certs"))), Layer::Allowed);
    assert_eq!(probe.verdict(&Act::CreateIn(root.join("run/waagent/certs"))), Layer::Allowed);
    assert_eq!(probe.verdict(&Act::CreateIn(lib("fetch"))), Layer::Landlock);
    assert_eq!(probe.verdict(&Act::CreateIn(lib("ext"))), Layer::Landlock);
    assert_eq!(probe.verdict(&Act::CreateIn(lib(""))), Layer::Landlock);
    assert_eq!(probe.verdict(&Act::CreateIn("/tmp".into())), Layer::Landlock);
    assert_eq!(probe.verdict(&Act::Write(lib("fetch/certificates.json"))), Layer::Landlock);
}

fn executes_nothing_and_changes_nothing_of_the_system() {
    if !is_root("to become another user") {
        return;
    }
    let root = open_root();
    let probe = Probe::new(&POLICY, root.path());
    assert_eq!(probe.verdict(&Act::Execute("/bin/true".into())), Layer::Seccomp);
    for act in [
        Act::Mount(root.path().join("etc")),
        Act::SetHostname,
        Act::Unshare,
        Act::SetUid(0),
        Act::Signal(1),
        Act::Trace(1),
    ] {
        let verdict = probe.verdict(&act);
        assert!(verdict == Layer::Modes || verdict == Layer::Seccomp, "{act:?}: {verdict:?}");
    }
}

const AF_UNIX: i32 = 1;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
const FOLDERS: &[&str] = &[
    "",
    "etc",
    "run/waagent/certs",
    "var/lib/waagent",
    "var/lib/waagent/certs",
    "var/lib/waagent/ext",
    "var/lib/waagent/fetch",
];
