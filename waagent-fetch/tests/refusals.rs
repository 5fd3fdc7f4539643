//! What someone who owns the fetcher can't do, and which layer says no.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use waagent_fetch::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};

fn main() -> std::process::ExitCode {
    waagent_probe::main(&POLICY, &[("owns_its_folder_and_nothing_else", owns_its_folder_and_nothing_else)])
}

fn owns_its_folder_and_nothing_else() {
    if !waagent_untested::is_root("to become another user") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let lib = root.path().join("var/lib/waagent");
    for folder in ["fetch", "certs", "ext", "net", "provision"] {
        fs::create_dir_all(lib.join(folder)).unwrap();
    }
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/passwd"), "waagent-fetch:x:64000:64000::/:/bin/false\n").unwrap();
    fs::write(root.path().join("etc/group"), "waagent-fetch:x:64000:\n").unwrap();
    chown(lib.join("fetch"), Some(64000), Some(64000)).unwrap();
    // As open as an administrator's mistake can make them: Landlock still says no.
    fs::set_permissions(lib.join("ext"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(lib.join("certs/transport.json"), "x").unwrap();
    fs::write(lib.join("certs/KEY.prv"), "x").unwrap();
    fs::set_permissions(lib.join("certs/KEY.prv"), fs::Permissions::from_mode(0o400)).unwrap();
    fs::write(root.path().join("etc/shadow"), "x").unwrap();
    let probe = Probe::new(&POLICY, root.path()).as_user(64000, 64000);
    for (act, layer) in [
        (Act::CreateIn(lib.join("fetch")), Layer::Allowed),
        (Act::Read(lib.join("certs/transport.json")), Layer::Allowed),
        (Act::CreateIn(lib.join("ext")), Layer::Landlock),
        (Act::CreateIn(lib.join("certs")), Layer::Modes),
        (Act::Read(lib.join("certs/KEY.prv")), Layer::Modes),
        (Act::Read(root.path().join("etc/shadow")), Layer::Landlock),
        (Act::Execute(Path::new("/bin/true").to_owned()), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        (Act::Socket(1), Layer::Allowed),
        (Act::Socket(2), Layer::Seccomp),
        (Act::Socket(10), Layer::Seccomp),
        (Act::Mount(Path::new("/mnt").to_owned()), Layer::Modes),
        (Act::Signal(1), Layer::Modes),
        (Act::SetUid(0), Layer::Modes),
    ] {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}
