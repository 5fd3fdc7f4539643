//! What someone who owns the transfer program can't do, and which layer says no.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use waagent_probe::{Act, Layer, Probe};
use waagent_transfer::policy::POLICY;

fn main() -> std::process::ExitCode {
    waagent_probe::main(&POLICY, &[("has_the_network_and_nothing_else", has_the_network_and_nothing_else)])
}

/// Numbers of linux/socket.h.
const UNIX: i32 = 1;
const INET: i32 = 2;
const INET6: i32 = 10;
const USER: u32 = 64001;

fn has_the_network_and_nothing_else() {
    if !waagent_untested::is_root("to become another user") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |path: &str| root.path().join(path);
    // As open as an administrator's mistake can make them: Landlock still says no.
    for folder in ["var/lib/waagent/certs", "var/lib/waagent/fetch/packages", "etc/ssl", "tmp"] {
        fs::create_dir_all(at(folder)).unwrap();
        fs::write(at(folder).join("file"), "x").unwrap();
        fs::set_permissions(at(folder), fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::write(at("etc/passwd"), format!("waagent-transfer:x:{USER}:{USER}::/:/bin/false\n")).unwrap();
    let own = std::process::id().try_into().unwrap();
    let probe = Probe::new(&POLICY, root.path()).as_user(USER, USER);
    for (act, layer) in [
        (Act::Read(at("etc/ssl/file")), Layer::Allowed),
        (Act::Socket(INET), Layer::Allowed),
        (Act::Socket(INET6), Layer::Allowed),
        (Act::Connect(443), Layer::Allowed),
        (Act::Read(at("var/lib/waagent/certs/file")), Layer::Landlock),
        (Act::Read(at("var/lib/waagent/fetch/packages/file")), Layer::Landlock),
        (Act::Read(at("etc/passwd")), Layer::Landlock),
        (Act::CreateIn(at("var/lib/waagent/fetch/packages")), Layer::Landlock),
        (Act::CreateIn(at("tmp")), Layer::Landlock),
        (Act::CreateIn(at("etc/ssl")), Layer::Landlock),
        (Act::Socket(UNIX), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        (Act::Execute("/bin/true".into()), Layer::Seccomp),
        (Act::Signal(own), Layer::Modes),
        (Act::Mount("/mnt".into()), Layer::Modes),
        (Act::Unshare, Layer::Modes),
        (Act::SetUid(0), Layer::Modes),
    ] {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}
