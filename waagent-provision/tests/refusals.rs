//! From inside the sandbox: what this program must not be able to do, and which layer stops it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use waagent_common::sandbox::lay_down;
use waagent_probe::{Act, Layer, Probe};
use waagent_provision::policy::POLICY;

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[
            (
                "each_layer_stops_what_this_program_has_no_business_with",
                each_layer_stops_what_this_program_has_no_business_with,
            ),
            (
                "other_programs_folders_are_closed_by_their_modes_once_the_override_is_laid_down",
                other_programs_folders_are_closed_by_their_modes_once_the_override_is_laid_down,
            ),
        ],
    )
}

fn scratch() -> Option<tempfile::TempDir> {
    if !waagent_untested::is_root("to drop capabilities") {
        return None;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for folder in [
        "etc/ssh",
        "home",
        "root",
        "var/lib/waagent/provision",
        "var/lib/waagent/fetch",
        "run/waagent/provision",
        "srv",
        "var/lib/other",
    ] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    fs::write(root.path().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    fs::write(root.path().join("srv/file"), "x").unwrap();
    Some(root)
}

fn each_layer_stops_what_this_program_has_no_business_with() {
    let Some(root) = scratch() else { return };
    let probe = Probe::new(&POLICY, root.path());
    let at = |path: &str| root.path().join(path);
    let layers = [
        (Act::CreateIn(at("etc/ssh")), Layer::Allowed),
        (Act::CreateIn(at("var/lib/waagent/provision")), Layer::Allowed),
        (Act::CreateIn(at("home")), Layer::Allowed),
        (Act::Execute("/usr/sbin/useradd".into()), Layer::Allowed),
        (Act::Socket(1), Layer::Allowed),
        (Act::SetHostname, Layer::Allowed),
        (Act::CreateIn(at("srv")), Layer::Landlock),
        (Act::CreateIn(at("var/lib/other")), Layer::Landlock),
        (Act::Read(at("srv/file")), Layer::Landlock),
        (Act::Execute("/bin/true".into()), Layer::Landlock),
        (Act::Execute("/usr/sbin/usermod".into()), Layer::Landlock),
        (Act::Socket(libc_families::INET), Layer::Seccomp),
        (Act::Socket(libc_families::INET6), Layer::Seccomp),
        (Act::Socket(libc_families::PACKET), Layer::Modes),
        (Act::Mount(at("srv")), Layer::Seccomp),
        (Act::Unshare, Layer::Seccomp),
        // CAP_DAC_READ_SEARCH would allow it.
        (Act::OpenByHandle, Layer::Seccomp),
        (Act::Trace(1), Layer::Modes),
    ];
    for (act, layer) in layers {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
    // Without the sandbox the mount succeeds: it went with the probe.
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(root.path().to_str().unwrap()), "{mounts}");
}

/// Landlock is hierarchical: who may make files in the agent's folder may write below it. File modes hold the line where a
/// folder isn't root's; for all of them the unit's ReadOnlyPaths= and SELinux do.
fn other_programs_folders_are_closed_by_their_modes_once_the_override_is_laid_down() {
    let Some(root) = scratch() else { return };
    let fetch = root.path().join("var/lib/waagent/fetch");
    chown(&fetch, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&fetch, fs::Permissions::from_mode(0o750)).unwrap();
    let shadow = root.path().join("etc/shadow");
    fs::write(&shadow, "root:*:1::::::\n").unwrap();
    fs::set_permissions(&shadow, fs::Permissions::from_mode(0o0)).unwrap();
    chown(&shadow, Some(65534), None).unwrap();
    let refused = std::thread::spawn(move || {
        lay_down("CAP_DAC_OVERRIDE").unwrap();
        lay_down("CAP_DAC_READ_SEARCH").unwrap();
        (fs::write(fetch.join("x"), "").is_err(), fs::read(&shadow).is_err(), root)
    });
    let (write, read, _root) = refused.join().unwrap();
    assert!(write && read);
}

mod libc_families {
    pub const INET: i32 = 2;
    pub const INET6: i32 = 10;
    pub const PACKET: i32 = 17;
}
