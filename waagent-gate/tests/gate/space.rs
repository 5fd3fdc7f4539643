//! A network namespace with the platform's addresses, a scratch root, a gate in both, and peers of any user.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use caps::CapsHashSet;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, listen, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use tempfile::TempDir;
use waagent_common::documents::{Endpoint, EndpointSource, Inputs, write};
use waagent_common::gate::client::socket_to;
use waagent_common::gate::protocol::{SOCKET, Target};
use waagent_common::place::Place;
use waagent_common::sandbox::Sandbox;
use waagent_common::sys::fd::recv_fd;
use waagent_common::sys::spawn::{Identity, set_identity};

/// Users of the scratch root; no such ones need to be on the machine.
pub const FETCHER: u32 = 64000;
pub const STRANGER: u32 = 64001;
pub const WIRESERVER: Ipv4Addr = Endpoint::WELL_KNOWN;

pub struct Space {
    pub root: TempDir,
    pub listener: OwnedFd,
}

impl Space {
    /// None, and said so, where the test doesn't run as root.
    pub fn new(configuration: &str) -> Option<Self> {
        if !waagent_untested::is_root("for a network namespace") {
            return None;
        }
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        for address in ["168.63.129.16/32", "169.254.169.254/32"] {
            run("ip", &["address", "add", address, "dev", "lo"]);
        }
        let root = TempDir::new().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["var/lib/waagent/net", "run/waagent/gate", "etc"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let users = format!("root:x:0:0::/:/bin/sh\nwaagent-fetch:x:{FETCHER}:{FETCHER}::/:/bin/false\n");
        fs::write(root.path().join("etc/passwd"), users).unwrap();
        fs::write(root.path().join("etc/waagent.conf"), format!("OS.EnableFirewall=y\n{configuration}"))
            .unwrap();
        let listener = listening(&root.path().join("run/waagent").join(SOCKET), SockType::SeqPacket);
        Some(Self { root, listener })
    }

    pub fn place(&self) -> Place {
        Place::new(self.root.path())
    }

    pub fn socket(&self) -> PathBuf {
        self.place().run(SOCKET)
    }

    /// What waagent-net would write.
    pub fn endpoint(&self, address: Ipv4Addr) {
        let body = Endpoint { address, source: EndpointSource::Lease, interface: None, option_245: None };
        write(&self.place(), &body, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    }

    /// A gate on the listening socket, as uid 0 without any capability.
    pub fn gate(&self) -> Gate {
        let mut command = with_descriptor_3(&self.listener, true);
        command.arg(env!("CARGO_BIN_EXE_waagent-gate")).arg("--root").arg(self.root.path());
        as_user(&mut command, 0, 0);
        Gate(command.spawn().unwrap())
    }

    /// A connection to the gate by the test itself, which is root.
    pub fn knock(&self) -> OwnedFd {
        let peer = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).unwrap();
        setsockopt(&peer, sockopt::ReceiveTimeout, &TimeVal::seconds(20)).unwrap();
        connect(peer.as_raw_fd(), &UnixAddr::new(&self.socket()).unwrap()).unwrap();
        peer
    }

    /// Sends a request, and says what byte came back, if one did, and whether a descriptor came with it.
    pub fn ask(&self, request: &[u8]) -> (Option<char>, bool) {
        let peer = self.knock();
        send(peer.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL).unwrap();
        answer(&peer)
    }

    /// Another user asks the gate, and speaks a line of HTTP; what it says of that.
    pub fn peer(&self, uid: u32, act: &str) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "peer_child", "--nocapture", "--test-threads=1"])
            .env(ACT, act)
            .env(ROOT, self.root.path());
        as_user(&mut command, uid, uid);
        let (_, text) = said(&command.output().unwrap());
        let (_, rest) = text.split_once("PEER: ").unwrap();
        rest.lines().next().unwrap().to_owned()
    }
}

const ACT: &str = "WAAGENT_DIAL_ACT";
const ROOT: &str = "WAAGENT_DIAL_ROOT";

/// The child's half of [`Space::peer`]; returns at once in an ordinary test run.
pub fn peer_child() {
    let Ok(act) = std::env::var(ACT) else { return };
    let place = Place::new(Path::new(&std::env::var(ROOT).unwrap()));
    let opened = match act.as_str() {
        "w" => socket_to(&place, Target::WireServer).map_err(|error| error.to_string()),
        "p" => socket_to(&place, Target::HostGaPlugin).map_err(|error| error.to_string()),
        "i" => socket_to(&place, Target::Imds).map_err(|error| error.to_string()),
        _ => {
            let own = SocketAddr::from((WIRESERVER, 80));
            TcpStream::connect_timeout(&own, Duration::from_millis(400))
                .map_err(|error| error.kind().to_string())
        }
    };
    println!("PEER: {}", opened.map_or_else(|error| error, |stream| speak(stream, &act)));
}

/// The status line of the answer to a request.
fn speak(mut stream: TcpStream, target: &str) -> String {
    let path = match target {
        "p" => "/health",
        "i" => "/metadata/instance?api-version=2021-08-01",
        _ => "/?comp=versions",
    };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: platform\r\nMetadata: true\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// A gate that ends with the test.
pub struct Gate(pub Child);

impl Gate {
    /// Has it nothing open but what it got from this process? What is a peer's is closed right after its answer.
    pub fn is_idle(&self) -> bool {
        let until = Instant::now() + Duration::from_secs(2);
        let own = opened("self");
        let only_own = || opened(&self.0.id().to_string()).is_subset(&own);
        while !only_own() && Instant::now() < until {
            std::thread::yield_now();
        }
        only_own()
    }
}

/// What the descriptors of a process lead to, but for the three standard ones.
fn opened(process: &str) -> BTreeSet<PathBuf> {
    let folder = Path::new("/proc").join(process).join("fd");
    let numbers = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let others = numbers.filter(|number| !["0", "1", "2"].iter().any(|standard| number == standard));
    // One that was closed meanwhile has no link any more. Names of procfs are held open by the sandbox.
    let opened = others.filter_map(|number| fs::read_link(folder.join(number)).ok());
    opened.filter(|path| !path.starts_with("/proc")).collect()
}

impl Drop for Gate {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// A shell that puts a descriptor where PID 1 puts it, and becomes the program that follows.
pub fn with_descriptor_3(passed: &OwnedFd, told: bool) -> Command {
    let mut command = Command::new("sh");
    let variables = if told { "LISTEN_PID=$$ LISTEN_FDS=1" } else { "LISTEN_PID=1 LISTEN_FDS=1" };
    command.args(["-c", &format!("exec 3<&0 0</dev/null; {variables} exec \"$0\" \"$@\"")]);
    command.stdin(Stdio::from(passed.try_clone().unwrap()));
    command
}

pub fn listening(path: &Path, kind: SockType) -> OwnedFd {
    let listener = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(listener.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    listen(&listener, Backlog::new(64).unwrap()).unwrap();
    chown(path, Some(0), Some(FETCHER)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).unwrap();
    listener
}

fn as_user(command: &mut Command, uid: u32, gid: u32) {
    let identity = Identity {
        uid,
        gid,
        groups: Vec::new(),
        capabilities: Some(CapsHashSet::new()),
        umask: 0o077,
        no_new_privs: true,
        session: false,
    };
    set_identity(command, identity);
}

pub fn answer(peer: &OwnedFd) -> (Option<char>, bool) {
    let mut bytes = [0; 8];
    let (length, descriptor) = recv_fd(peer.as_fd(), &mut bytes).unwrap();
    assert!(length <= 1, "{length} bytes");
    (bytes[..length].first().map(|byte| char::from(*byte)), descriptor.is_some())
}

pub fn said(output: &Output) -> (i32, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

pub fn run(program: &str, arguments: &[&str]) {
    let (code, text) = said(&Command::new(program).args(arguments).output().unwrap());
    assert_eq!(code, 0, "{program} {arguments:?}: {text}");
}
