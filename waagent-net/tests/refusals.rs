//! What waagent-net may do, tried from inside its sandbox; and its neighbour, refused, with the layer that did it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use waagent_net::policy::POLICY;
use waagent_probe::{Act, Layer, Probe};

fn main() -> std::process::ExitCode {
    waagent_probe::main(
        &POLICY,
        &[("each_grant_is_used_and_its_neighbour_denied", each_grant_is_used_and_its_neighbour_denied)],
    )
}

/// The probe's user where the machine has no waagent-net.
const NOBODY: u32 = 65534;

fn each_grant_is_used_and_its_neighbour_denied() {
    if !waagent_untested::is_root("to become another user") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let at = |path: &str| root.path().join(path);
    for folder in [
        "var/lib/waagent/net",
        "var/lib/waagent/fetch",
        "run/waagent/net",
        "run/waagent/fetch",
        "run/systemd/netif/leases",
        "run/systemd/resolve",
        "var/lib/dhcp",
        "etc",
    ] {
        fs::create_dir_all(at(folder)).unwrap();
        chown(at(folder), Some(NOBODY), Some(NOBODY)).unwrap();
        fs::write(at(folder).join("file"), "x").unwrap();
        chown(at(folder).join("file"), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let probe = Probe::new(&POLICY, root.path()).as_user(NOBODY, NOBODY);
    let acts = [
        (Act::CreateIn(at("var/lib/waagent/net")), Layer::Allowed),
        (Act::CreateIn(at("var/lib/waagent/fetch")), Layer::Landlock),
        (Act::CreateIn(at("run/waagent/net")), Layer::Allowed),
        (Act::CreateIn(at("run/waagent/fetch")), Layer::Landlock),
        (Act::Read(at("run/systemd/netif/leases/file")), Layer::Allowed),
        (Act::Write(at("run/systemd/netif/leases/file")), Layer::Landlock),
        (Act::Read(at("run/systemd/resolve/file")), Layer::Landlock),
        (Act::Read(at("var/lib/dhcp/file")), Layer::Allowed),
        (Act::Remove(at("var/lib/dhcp/file")), Layer::Landlock),
        (Act::Read(at("var/lib/waagent/fetch/file")), Layer::Landlock),
        (Act::Read(at("etc/file")), Layer::Landlock),
        (Act::Read("/proc/self/net/route".into()), Layer::Allowed),
        (Act::Read("/proc/sys/kernel/hostname".into()), Layer::Landlock),
        (Act::Read("/etc/shadow".into()), Layer::Modes),
        (Act::Socket(family::INET), Layer::Seccomp),
        (Act::Socket(family::INET6), Layer::Seccomp),
        (Act::Socket(family::UNIX), Layer::Seccomp),
        (Act::Connect(80), Layer::Seccomp),
        (Act::Listen, Layer::Seccomp),
        (Act::Execute("/bin/true".into()), Layer::Seccomp),
        (Act::MapCode, Layer::Seccomp),
        (Act::Mount("/mnt".into()), Layer::Modes),
        (Act::SetHostname, Layer::Modes),
        (Act::SetUid(0), Layer::Modes),
        (Act::Unshare, Layer::Modes),
        (Act::Signal(std::process::id().try_into().unwrap()), Layer::Modes),
        (Act::Trace(std::process::id().try_into().unwrap()), Layer::Modes),
    ];
    for (act, layer) in acts {
        assert_eq!(probe.verdict(&act), layer, "{act:?}");
    }
}

/// Numbers of linux/socket.h.
mod family {
    pub const UNIX: i32 = 1;
    pub const INET: i32 = 2;
    pub const INET6: i32 = 10;
}
