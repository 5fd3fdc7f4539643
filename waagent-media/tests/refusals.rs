//! What waagent-media can't do, and which layer stops it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use waagent_media::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[("a_stolen_waagent_media_is_of_no_use", a_stolen_waagent_media_is_of_no_use)],
    )
}

fn a_stolen_waagent_media_is_of_no_use() {
    if !waagent_untested::is_root("to become another user") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let folder = |below: &str, mode| -> PathBuf {
        let path = root.path().join(below);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let own = folder("run/waagent/media", 0o777);
    let other = folder("run/waagent/provision", 0o777);
    let documents = folder("var/lib/waagent/fetch", 0o777);
    let status = folder("var/lib/waagent/provision", 0o777);
    for file in
        [status.join("status.json"), documents.join("goal-state.json"), root.path().join("etc-secret")]
    {
        fs::write(file, "x").unwrap();
    }
    let key = documents.join("key.prv");
    fs::write(&key, "x").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();

    let probe = Probe::new(&POLICY, root.path());
    let layers = [
        (Act::CreateIn(own), Layer::Allowed),
        (Act::Read(status.join("status.json")), Layer::Allowed),
        (Act::CreateIn(other), Layer::Landlock),
        (Act::CreateIn(status.clone()), Layer::Landlock),
        (Act::Write(status.join("status.json")), Layer::Modes),
        (Act::Read(documents.join("goal-state.json")), Layer::Landlock),
        (Act::Read(root.path().join("etc-secret")), Layer::Landlock),
        (Act::Read("/etc/hostname".into()), Layer::Landlock),
        (Act::Read(key), Layer::Modes),
        (Act::Read("/etc/shadow".into()), Layer::Modes),
        (Act::Read("/dev/loop-control".into()), Layer::Modes),
        (Act::Execute("/bin/true".into()), Layer::Seccomp),
        (Act::Socket(1), Layer::Seccomp),
        (Act::Socket(2), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        (Act::Mount("/mnt".into()), Layer::Modes),
        (Act::Unshare, Layer::Modes),
        (Act::SetHostname, Layer::Modes),
        (Act::SetUid(0), Layer::Modes),
        (Act::Signal(1), Layer::Modes),
        (Act::Trace(1), Layer::Modes),
        (Act::MapCode, Layer::Seccomp),
    ];
    for (act, layer) in layers {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}
