//! The probe itself: with a small policy, each layer stops what it should, and lets through what is declared.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use waagent_declaration::{BASE, Connects, FILES, FIONBIO, NETWORK, Policy, RunsAs, TCGETS, grant};
use waagent_probe::{Act, Layer, Probe};

const POLICY: Policy = Policy {
    program: "waagent-probe",
    log_thread: "Test Test",
    runs_as: RunsAs::User("nobody"),
    selinux: "waagent_probe_t",
    families: &[grant("AF_INET", "connect")],
    connects: Connects::Ports(&[(9, "connect")]),
    reads: &[grant("/etc/hosts", "read")],
    writes: &[grant("/var/lib/waagent/probe", "write")],
    ioctls: &[FIONBIO, TCGETS],
    syscalls: &[BASE, FILES, NETWORK],
    ..Policy::NOTHING
};

fn main() -> std::process::ExitCode {
    waagent_probe::main(&POLICY, &[("each_layer_stops_what_it_should", each_layer_stops_what_it_should)])
}

fn each_layer_stops_what_it_should() {
    if !waagent_untested::is_root("to become another user") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = root.path().join("var/lib/waagent/probe");
    let other = root.path().join("var/lib/waagent/other");
    for folder in [&own, &other] {
        fs::create_dir_all(folder).unwrap();
        std::os::unix::fs::chown(folder, Some(65534), Some(65534)).unwrap();
    }
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/hosts"), "x").unwrap();
    let probe = Probe::new(&POLICY, root.path());
    let layers = [
        (Act::Read(root.path().join("etc/hosts")), Layer::Allowed),
        (Act::Read("/etc/hostname".into()), Layer::Landlock),
        (Act::Read("/etc/shadow".into()), Layer::Modes),
        (Act::CreateIn(own), Layer::Allowed),
        (Act::CreateIn(other), Layer::Landlock),
        (Act::Execute("/bin/true".into()), Layer::Seccomp),
        (Act::Socket(2), Layer::Allowed),
        (Act::Socket(1), Layer::Seccomp),
        (Act::Connect(9), Layer::Allowed),
        (Act::Connect(10), Layer::Landlock),
        (Act::Listen, Layer::Landlock),
        (Act::Mount("/mnt".into()), Layer::Modes),
        (Act::MapCode, Layer::Seccomp),
        (Act::Signal(std::process::id().try_into().unwrap()), Layer::Modes),
    ];
    for (act, layer) in layers {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}
