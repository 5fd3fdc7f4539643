//! A network namespace with the platform's addresses, a scratch root, a gate in both, and peers of any user.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "test tooling: it may say what it means"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use caps::CapsHashSet;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};
use tempfile::TempDir;
use waagent_common::documents::{Endpoint, EndpointSource, Inputs, Transport, write};
use waagent_common::gate::client::{counts, hear, stream_to};
use waagent_common::gate::protocol::{SOCKET, Target};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_support::network::{self, FETCHER, Running, as_user, gate_socket, said};

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
        for name in ["var/lib/waagent/certs", "var/lib/waagent/net", "run/waagent/gate", "run/waagent/net"] {
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

    /// The same; what it says goes there.
    pub fn gate_that_logs(&self, path: &Path) -> Running {
        let program = Path::new(env!("CARGO_BIN_EXE_waagent-gate"));
        let log = fs::File::create(path).unwrap();
        let mut command = network::gate(program, self.folder.path(), &self.listener);
        Running(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// What waagent-certs would write.
    pub fn certificate(&self, certificate: &str) {
        let body = Transport {
            certificate_der_base64: certificate.to_owned(),
            thumbprint: "A".repeat(40).as_str().try_into().unwrap(),
            not_after: "2030-01-01T00:00:00Z".to_owned(),
            generation: 1,
        };
        write(&self.root(), &body, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    }

    /// A peer that hasn't asked yet.
    pub fn knock(&self) -> UnixStream {
        let peer = UnixStream::connect(self.socket()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        peer
    }

    /// Sends these bytes, and gives all that comes back: the gate's word, and an answer or a reason.
    pub fn ask(&self, request: &[u8]) -> String {
        let mut peer = self.knock();
        // It may have refused before all was written.
        let _refused = peer.write_all(request);
        heard(&mut peer)
    }

    /// The fetcher asks so often, whole, and waits until the test ends.
    pub fn holds(&self, often: usize) -> Running {
        let mut command = self.child(FETCHER, &format!("hold {often}"));
        let mut child = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let told = BufReader::new(child.0.stdout.take().unwrap());
        assert!(told.lines().any(|line| line.unwrap().ends_with("PEER: holds")));
        child
    }

    /// Another user asks the gate, and speaks a line of HTTP; what it says of that.
    pub fn peer(&self, uid: u32, act: &str) -> String {
        let (_, text) = said(&self.child(uid, act).output().unwrap());
        let (_, rest) = text.split_once("PEER: ").unwrap();
        rest.lines().next().unwrap().to_owned()
    }

    fn child(&self, uid: u32, act: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "peer_child", "--nocapture", "--test-threads=1"])
            .env(ACT, act)
            .env(ROOT, self.folder.path());
        as_user(&mut command, uid, CapsHashSet::new());
        command
    }
}

/// All that comes, to the end, or to what breaks it off.
pub fn heard(peer: &mut UnixStream) -> String {
    let mut text = Vec::new();
    let _broken = peer.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

/// Is what was heard the whole answer? The gate shuts its side down after one, and hangs up else.
pub fn is_whole(peer: &UnixStream) -> bool {
    let mut fds = [PollFd::new(peer.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
}

/// A request with the gate's byte before it, and the Host of its target.
pub fn request(target: char, line: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let host = if target == 'p' { "168.63.129.16:32526" } else { "168.63.129.16" };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{target}{line} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n{body}").into_bytes()
}

/// The simplest one that passes.
pub fn versions() -> Vec<u8> {
    request('w', "GET /?comp=versions", &[], "")
}

/// The platform, for one connection: reads what comes until it holds `until`, answers, and closes its side. Gives all that
/// came.
pub fn answers(target: Target, until: &str, answer: &str) -> JoinHandle<String> {
    let listener = TcpListener::bind(network::platform(target)).unwrap();
    let (until, answer) = (until.to_owned(), answer.to_owned());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut come = Vec::new();
        while !String::from_utf8_lossy(&come).contains(&until) {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).unwrap();
            assert!(length > 0, "it ended: {}", String::from_utf8_lossy(&come));
            come.extend_from_slice(&piece[..length]);
        }
        // Who has heard enough may be gone.
        let _gone = stream.write_all(answer.as_bytes());
        let _closed = stream.shutdown(Shutdown::Write);
        let _rest = stream.read_to_end(&mut come);
        String::from_utf8(come).unwrap()
    })
}

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const ACT: &str = "WAAGENT_GATE_ACT";
const ROOT: &str = "WAAGENT_GATE_ROOT";

/// The child's half of [`Space::peer`]; returns at once in an ordinary test run.
pub fn peer_child() {
    let Ok(act) = std::env::var(ACT) else { return };
    let root = Root::new(Path::new(&std::env::var(ROOT).unwrap()));
    println!("PEER: {}", acted(&root, &act).unwrap_or_else(|error| error));
}

/// The status line of the answer to a request, or the gate's line.
fn acted(root: &Root, act: &str) -> Result<String, String> {
    if act == "counts" {
        return counts(root).map_err(|error| error.to_string());
    }
    if let Some(often) = act.strip_prefix("hold ") {
        let peers: Vec<_> = (0..often.parse().unwrap()).map(|_| held(root)).collect();
        println!("PEER: holds");
        // Until the test ends.
        let _closed = std::io::stdin().read(&mut [0]);
        return Ok(format!("held {}", peers.len()));
    }
    let target = if act == "p" { Target::HostGaPlugin } else { Target::WireServer };
    let path = if act == "p" { "/versions" } else { "/?comp=versions" };
    let [_, request @ ..] = &request(if act == "p" { 'p' } else { 'w' }, &format!("GET {path}"), &[], "")[..]
    else {
        unreachable!()
    };
    let mut answer = String::new();
    if act == "own" {
        let own = SocketAddr::from((WIRESERVER, 80));
        let stream = TcpStream::connect_timeout(&own, Duration::from_millis(400));
        let mut stream = stream.map_err(|error| error.kind().to_string())?;
        let closing = String::from_utf8_lossy(request).replacen("\r\n", "\r\nConnection: close\r\n", 1);
        stream.write_all(closing.as_bytes()).unwrap();
        stream.read_to_string(&mut answer).unwrap();
    } else {
        let mut stream: UnixStream = stream_to(root, target).map_err(|error| error.to_string())?.into();
        let _dismissed = stream.write_all(request);
        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
        hear(stream.as_fd(), target).map_err(|error| error.to_string())?;
        stream.read_to_string(&mut answer).unwrap();
    }
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// A peer with a whole request.
fn held(root: &Root) -> UnixStream {
    let mut peer = UnixStream::connect(root.runtime_path(SOCKET)).unwrap();
    // It may be dismissed already.
    let _dismissed = peer.write_all(&versions());
    peer
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
pub fn still_waits(peer: &UnixStream) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(peer.as_raw_fd(), &mut [0; 8], flags) == Err(Errno::EAGAIN)
}
