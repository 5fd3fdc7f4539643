//! What waagent-gate may do, tried from inside its sandbox; and its neighbour, refused, with the layer that did it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use waagent_gate::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};

/// Somebody else.
const FETCHER: u32 = 64000;

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[(
            "each_grant_of_the_gate_is_used_and_its_neighbour_denied",
            each_grant_of_the_gate_is_used_and_its_neighbour_denied,
        )],
    )
}

/// Numbers of linux/socket.h.
const UNIX: i32 = 1;
const INET: i32 = 2;
const INET6: i32 = 10;

fn each_grant_of_the_gate_is_used_and_its_neighbour_denied() {
    if !waagent_untested::is_root("whose rights the gate has") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let at = |path: &str| root.path().join(path);
    for folder in ["var/lib/waagent/net", "var/lib/waagent/fetch", "var/lib/waagent/certs"] {
        fs::create_dir_all(at(folder)).unwrap();
        fs::write(at(folder).join("file"), "x").unwrap();
    }
    let key = at("var/lib/waagent/certs/TransportPrivate.pem");
    fs::write(&key, "x").unwrap();
    chown(&key, Some(FETCHER), None).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    let probe = Probe::new(&POLICY, root.path());
    let own = std::process::id().try_into().unwrap();
    let acts = [
        (Act::Read(at("var/lib/waagent/net/file")), Layer::Allowed),
        (Act::Read(at("var/lib/waagent/certs/file")), Layer::Allowed),
        (Act::Write(at("var/lib/waagent/certs/file")), Layer::Landlock),
        (Act::Read(at("var/lib/waagent/fetch/file")), Layer::Landlock),
        (Act::Write(at("var/lib/waagent/net/file")), Layer::Landlock),
        (Act::CreateIn(at("var/lib/waagent/net")), Layer::Landlock),
        // uid 0 without a capability: beside transport.json only the mode stops it.
        (Act::Read(key), Layer::Modes),
        (Act::Read("/etc/shadow".into()), Layer::Landlock),
        (Act::Socket(INET), Layer::Allowed),
        (Act::Socket(INET6), Layer::Seccomp),
        (Act::Socket(UNIX), Layer::Seccomp),
        (Act::Connect(80), Layer::Allowed),
        (Act::Connect(32526), Layer::Allowed),
        (Act::Connect(443), Layer::Landlock),
        (Act::Connect(22), Layer::Landlock),
        // Ways past Landlock, which knows TCP by connect(2) alone.
        (Act::Datagrams, Layer::Seccomp),
        (Act::Multipath, Layer::Seccomp),
        (Act::FastOpen(443), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        (Act::Execute("/bin/true".into()), Layer::Seccomp),
        (Act::MapCode, Layer::Seccomp),
        (Act::Signal(own), Layer::Seccomp),
        (Act::Trace(own), Layer::Modes),
        (Act::Mount("/mnt".into()), Layer::Modes),
        (Act::SetHostname, Layer::Modes),
        (Act::Unshare, Layer::Modes),
        (Act::SetUid(FETCHER), Layer::Modes),
    ];
    for (act, layer) in acts {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}
