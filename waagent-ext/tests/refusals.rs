//! What the planner can't do, and which layer stops it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use waagent_ext::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[(
            "the_planner_writes_its_own_folders_and_reads_no_key",
            the_planner_writes_its_own_folders_and_reads_no_key,
        )],
    )
}

/// Folders of other users, as tmpfiles makes them, and what is in them.
fn folders(root: &Path) {
    let lib = root.join("var/lib/waagent");
    for (folder, owner) in [
        ("ext", 0),
        ("disk", 0),
        ("provision", 0),
        ("fetch", 65534),
        ("certs", 65534),
        ("Test.Good-1.0/status", 0),
    ] {
        let path = lib.join(folder);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
    }
    for folder in ["etc", "var/log/azure", "run/waagent/ext", "home"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (file, mode, owner) in [
        ("certs/A.prv", 0o400, 65534),
        ("certs/certificates.json", 0o644, 65534),
        ("fetch/goal-state.json", 0o644, 65534),
    ] {
        let path = lib.join(file);
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
    }
    fs::write(root.join("etc/shadow"), "x").unwrap();
}

fn the_planner_writes_its_own_folders_and_reads_no_key() {
    if !waagent_untested::is_root("to drop capabilities") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let lib = root.path().join("var/lib/waagent");
    folders(root.path());
    let probe = Probe::new(&POLICY, root.path());
    let own: i32 = std::process::id().try_into().unwrap();
    let layers = [
        (Act::Read(lib.join("fetch/goal-state.json")), Layer::Allowed),
        (Act::Read(lib.join("certs/certificates.json")), Layer::Allowed),
        (Act::Read(lib.join("certs/A.prv")), Layer::Modes),
        (Act::CreateIn(lib.join("ext")), Layer::Allowed),
        (Act::CreateIn(lib.clone()), Layer::Allowed),
        (Act::CreateIn(lib.join("Test.Good-1.0/status")), Layer::Allowed),
        // Landlock can't part what is below one folder: the owner decides, and nobody where that is root. What holds
        // there is outside of the program: ReadOnlyPaths= of the unit (see tests/layers/tests/units/in_force.rs) and SELinux.
        (Act::CreateIn(lib.join("disk")), Layer::Allowed),
        (Act::CreateIn(lib.join("provision")), Layer::Allowed),
        (Act::CreateIn(lib.join("fetch")), Layer::Modes),
        (Act::CreateIn(lib.join("certs")), Layer::Modes),
        (Act::Write(lib.join("fetch/goal-state.json")), Layer::Modes),
        (Act::CreateIn(root.path().join("etc")), Layer::Landlock),
        (Act::CreateIn(root.path().join("home")), Layer::Landlock),
        (Act::Read(root.path().join("etc/shadow")), Layer::Landlock),
        (Act::Execute("/bin/true".into()), Layer::Seccomp),
        (Act::Socket(1), Layer::Allowed),
        (Act::Socket(2), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        (Act::Mount(root.path().join("home")), Layer::Modes),
        (Act::SetUid(65534), Layer::Modes),
        (Act::Trace(own), Layer::Modes),
    ];
    for (act, layer) in layers {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}
