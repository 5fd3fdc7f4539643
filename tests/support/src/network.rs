use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use caps::CapsHashSet;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use waagent_common::documents::Endpoint;
use waagent_common::gate::protocol::{SOCKET, Target};
use waagent_common::sys::spawn::{Identity, set_identity};

/// User of waagent-fetch in a scratch root; no such one needs to be on the machine.
pub const FETCHER: u32 = 64000;

/// Gives this thread, and its children, a network of its own, with the platform's addresses on its loopback. No, and said
/// so, where the test doesn't run as root.
pub fn has_network_of_its_own() -> bool {
    if !waagent_untested::is_root("for a network namespace") {
        return false;
    }
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    tell("ip", &["link", "set", "lo", "up"]);
    tell("ip", &["address", "add", &format!("{}/32", Endpoint::WELL_KNOWN), "dev", "lo"]);
    true
}

/// Where the platform listens for this target.
pub fn platform(target: Target) -> SocketAddr {
    SocketAddr::from((Endpoint::WELL_KNOWN, target.port()))
}

/// What waagent-fetch and the gate look for: `etc/passwd` and the configuration.
pub fn has_fetcher(root: &Path, configuration: &str) {
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    let users = format!("root:x:0:0::/:/bin/sh\nwaagent-fetch:x:{FETCHER}:{FETCHER}::/:/bin/false\n");
    fs::write(root.join("etc/passwd"), users).unwrap();
    fs::write(root.join("etc/waagent.conf"), configuration).unwrap();
}

/// The gate's socket, as PID 1 opens it for the fetcher's group.
pub fn gate_socket(root: &Path) -> OwnedFd {
    listening(&root.join("run/waagent").join(SOCKET), SockType::Stream)
}

/// A socket there, of this kind, for the fetcher's group.
pub fn listening(path: &Path, kind: SockType) -> OwnedFd {
    let listener = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(64).unwrap()).unwrap();
    chown(path, Some(0), Some(FETCHER)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).unwrap();
    listener
}

/// A shell that puts a descriptor where PID 1 puts it, and becomes the program that follows.
pub fn with_descriptor_3(passed: &OwnedFd, told: bool) -> Command {
    let mut command = Command::new("sh");
    let variables = if told { "LISTEN_PID=$$ LISTEN_FDS=1" } else { "LISTEN_PID=1 LISTEN_FDS=1" };
    command.args(["-c", &format!("exec 3<&0 0</dev/null; {variables} exec \"$0\" \"$@\"")]);
    command.stdin(Stdio::from(passed.try_clone().unwrap()));
    command
}

/// The gate on its socket, as uid 0 without any capability.
pub fn gate(program: &Path, root: &Path, socket: &OwnedFd) -> Command {
    let mut command = with_descriptor_3(socket, true);
    command.arg(program).arg("--root").arg(root);
    as_user(&mut command, 0, CapsHashSet::new());
    command
}

/// Has a command run as this user and group, with these capabilities and no other.
pub fn as_user(command: &mut Command, uid: u32, kept: CapsHashSet) {
    let identity = Identity {
        uid,
        gid: uid,
        groups: Vec::new(),
        capabilities: Some(kept),
        umask: 0o027,
        no_new_privs: true,
        session: false,
    };
    set_identity(command, identity);
}

/// A program that ends with the test.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// How a program ended, and what it said.
pub fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// What a tool says that must be there and must succeed.
pub fn tell(program: &str, arguments: &[&str]) -> String {
    let (code, text) = said(&Command::new(program).args(arguments).output().unwrap());
    assert_eq!(code, 0, "{program} {arguments:?}: {text}");
    text
}
