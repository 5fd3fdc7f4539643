//! A network namespace of the test's own thread, with the platform's address in it, and a scratch root.
//!
//! Children of the thread are in the namespace; the test's other threads aren't.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test tooling: it may say what it means")]

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use caps::{Capability, CapsHashSet};
use nix::unistd::{Uid, setfsuid};
use tempfile::TempDir;
use waagent_common::documents::Endpoint;
use waagent_support::network::{as_user, has_network_of_its_own};
pub use waagent_support::network::{said, tell as run};

pub const WIRESERVER: Ipv4Addr = Endpoint::WELL_KNOWN;
/// An ordinary user.
pub const NOBODY: u32 = 65534;
/// A dropped packet is never answered; on one machine an answer takes microseconds.
const SILENCE: Duration = Duration::from_millis(300);

pub struct Space {
    pub root: TempDir,
}

impl Space {
    /// None, and said so, where the test doesn't run as root.
    pub fn new(configuration: &str) -> Option<Self> {
        if !has_network_of_its_own() {
            return None;
        }
        let space = Self { root: TempDir::new().unwrap() };
        fs::set_permissions(space.root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["var/lib/waagent/net", "run/waagent/net"] {
            fs::create_dir_all(space.path(folder)).unwrap();
            std::os::unix::fs::chown(space.path(folder), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        space.write("etc/passwd", "root:x:0:0::/:/bin/sh\nwaagent-net:x:65534:65534::/:/bin/false\n");
        space.write("etc/waagent.conf", &format!("# test\n{configuration}"));
        Some(space)
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `waagent-net --root` of this space, as its own user with its capability.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_with(CapsHashSet::from([Capability::CAP_NET_ADMIN]), arguments)
    }

    /// The same with these capabilities and no other.
    pub fn command_with(&self, kept: CapsHashSet, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-net"));
        command.arg("--root").arg(self.root.path()).args(arguments);
        as_user(&mut command, NOBODY, kept);
        command
    }

    /// Runs it, and says with what status and text it ended.
    pub fn net(&self, arguments: &[&str]) -> (i32, String) {
        said(&self.command(arguments).output().unwrap())
    }

    /// The body of a document in `net/`.
    pub fn body(&self, name: &str) -> serde_json::Value {
        let bytes = fs::read(self.path("var/lib/waagent/net").join(name)).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        document["body"].clone()
    }
}

/// Feeds a script to `nft`.
pub fn nft(script: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

/// Everything in force but our table, and our table alone.
pub fn rulesets() -> (String, String) {
    let all = run("nft", &["list", "ruleset"]);
    let ours = all.find("table ip walinuxagent {").map_or(String::new(), |start| {
        let rest = &all[start..];
        rest[..rest.find("\n}\n").unwrap() + 3].to_owned()
    });
    (all.replace(&ours, ""), ours)
}

/// Listens on these ports of the platform's address, and accepts for ever.
pub fn listen(ports: &[u16]) -> Vec<TcpListener> {
    ports.iter().map(|port| TcpListener::bind((WIRESERVER, *port)).unwrap()).collect()
}

/// Does a connection that this user opens stand? No answer at all counts as no, a refusal would be a mistake.
pub fn connects(uid: u32, port: u16) -> bool {
    connects_to(uid, SocketAddr::from((WIRESERVER, port)))
}

/// The kernel takes a socket's user from the thread's file system user.
pub fn connects_to(uid: u32, address: SocketAddr) -> bool {
    setfsuid(Uid::from_raw(uid));
    let connected = TcpStream::connect_timeout(&address, SILENCE);
    setfsuid(Uid::from_raw(0));
    match connected {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TimedOut, "uid {uid} to {address}: dropped, not refused");
            false
        }
    }
}

/// When each file of a folder was last changed.
pub fn stamps(folder: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let mut stamps: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap()))
        .collect();
    stamps.sort();
    stamps
}
