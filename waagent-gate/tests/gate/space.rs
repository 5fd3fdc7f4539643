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
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use caps::CapsHashSet;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use tempfile::TempDir;
use waagent_common::documents::{Endpoint, EndpointSource, Inputs, write};
use waagent_common::gate::client::socket_to;
use waagent_common::gate::protocol::{SOCKET, Target};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::sys::fd::recv_fd;
use waagent_support::network::{self, Running, as_user, gate_socket, said};

/// Another user than the fetcher; no such one needs to be on the machine.
pub const STRANGER: u32 = 64001;
pub const WIRESERVER: Ipv4Addr = Endpoint::WELL_KNOWN;

pub struct Space {
    pub folder: TempDir,
    pub listener: OwnedFd,
}

impl Space {
    /// None, and said so, where the test doesn't run as root.
    pub fn new(configuration: &str) -> Option<Self> {
        if !network::has_network_of_its_own() {
            return None;
        }
        let folder = TempDir::new().unwrap();
        network::has_fetcher(folder.path(), &format!("OS.EnableFirewall=y\n{configuration}"));
        for name in ["var/lib/waagent/net", "run/waagent/gate", "run/waagent/net"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let listener = gate_socket(folder.path());
        Some(Self { folder, listener })
    }

    pub fn root(&self) -> Root {
        Root::new(self.folder.path())
    }

    pub fn socket(&self) -> PathBuf {
        self.root().runtime_path(SOCKET)
    }

    /// What waagent-net would write.
    pub fn endpoint(&self, address: Ipv4Addr) {
        let body = Endpoint { address, source: EndpointSource::Lease, interface: None, option_245: None };
        write(&self.root(), &body, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    }

    /// A gate on the listening socket, as uid 0 without any capability.
    pub fn gate(&self) -> Running {
        let program = Path::new(env!("CARGO_BIN_EXE_waagent-gate"));
        Running(network::gate(program, self.folder.path(), &self.listener).spawn().unwrap())
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
            .env(ROOT, self.folder.path());
        as_user(&mut command, uid, CapsHashSet::new());
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
    let root = Root::new(Path::new(&std::env::var(ROOT).unwrap()));
    let opened = match act.as_str() {
        "w" => socket_to(&root, Target::WireServer).map_err(|error| error.to_string()),
        "p" => socket_to(&root, Target::HostGaPlugin).map_err(|error| error.to_string()),
        "i" => socket_to(&root, Target::Imds).map_err(|error| error.to_string()),
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

/// Has the gate nothing open but what it got from this process? What is a peer's is closed right after its answer.
pub fn is_idle(gate: &Running) -> bool {
    let until = Instant::now() + Duration::from_secs(2);
    let own = opened("self");
    let only_own = || opened(&gate.0.id().to_string()).is_subset(&own);
    while !only_own() && Instant::now() < until {
        std::thread::yield_now();
    }
    only_own()
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

/// Has the gate neither answered this peer nor dismissed it?
pub fn still_waits(peer: &OwnedFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(peer.as_raw_fd(), &mut [0; 8], flags) == Err(Errno::EAGAIN)
}

pub fn answer(peer: &OwnedFd) -> (Option<char>, bool) {
    let mut bytes = [0; 8];
    let (length, descriptor) = recv_fd(peer.as_fd(), &mut bytes).unwrap();
    assert!(length <= 1, "{length} bytes");
    (bytes[..length].first().map(|byte| char::from(*byte)), descriptor.is_some())
}
