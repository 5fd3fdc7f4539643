//! What waagent-disk can't do, and which layer stops it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use waagent_disk::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[(
            "waagent_disk_writes_disks_and_its_own_folders_and_nothing_else",
            waagent_disk_writes_disks_and_its_own_folders_and_nothing_else,
        )],
    )
}

fn waagent_disk_writes_disks_and_its_own_folders_and_nothing_else() {
    if !waagent_untested::is_root("to drop capabilities") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folder = |below: &str| -> PathBuf {
        let path = root.path().join(below);
        fs::create_dir_all(&path).unwrap();
        path
    };
    let (documents, flags, mounted) =
        (folder("var/lib/waagent/disk"), folder("run/waagent/disk"), folder("mnt/resource"));
    let (ext, provision, etc) =
        (folder("var/lib/waagent/ext"), folder("run/waagent/provision"), folder("etc"));
    let fetched = folder("var/lib/waagent/fetch");
    fs::write(fetched.join("goal-state.json"), "x").unwrap();
    fs::write(etc.join("fstab"), "x").unwrap();
    fs::write(etc.join("shadow"), "x").unwrap();
    let key = fetched.join("key.prv");
    fs::write(&key, "x").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    chown(&key, Some(65534), Some(65534)).unwrap();

    let probe = Probe::new(&POLICY, root.path());
    let layers = [
        (Act::CreateIn(documents), Layer::Allowed),
        (Act::CreateIn(flags), Layer::Allowed),
        (Act::CreateIn(mounted), Layer::Allowed),
        (Act::Read(etc.join("fstab")), Layer::Allowed),
        (Act::Execute("/usr/sbin/mkfs.ext4".into()), Layer::Allowed),
        (Act::Write(etc.join("fstab")), Layer::Landlock),
        (Act::Read(etc.join("shadow")), Layer::Landlock),
        (Act::CreateIn(etc), Layer::Landlock),
        (Act::CreateIn(ext), Layer::Landlock),
        (Act::CreateIn(provision), Layer::Landlock),
        (Act::Read(fetched.join("goal-state.json")), Layer::Landlock),
        (Act::Read(key), Layer::Modes),
        (Act::Read("/root/.profile".into()), Layer::Landlock),
        (Act::Execute("/bin/sh".into()), Layer::Landlock),
        (Act::Execute("/usr/sbin/mkswap".into()), Layer::Landlock),
        (Act::Socket(1), Layer::Seccomp),
        (Act::Socket(2), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        // CAP_SYS_ADMIN, which BLKPG needs, would allow these.
        (Act::Mount(root.path().to_path_buf()), Layer::Seccomp),
        (Act::SetHostname, Layer::Seccomp),
        (Act::Unshare, Layer::Seccomp),
        (Act::SetUid(65534), Layer::Modes),
        (Act::Trace(1), Layer::Modes),
    ];
    for (act, layer) in layers {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
    // Without the sandbox the mount succeeds: it went with the probe.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(root.path().to_str().unwrap()), "{mounts}");
}
