//! Tries forbidden acts from inside a program's sandbox, and says which layer stopped them.
//!
//! A test file of a program, with `harness = false` in its Cargo.toml, is a program without threads:
//!
//! ```text
//! use waagent_probe::{Act, Layer, Probe};
//!
//! fn main() -> std::process::ExitCode {
//!     waagent_probe::main(&POLICY, &[("may_not_open_a_socket", may_not_open_a_socket)])
//! }
//!
//! fn may_not_open_a_socket() {
//!     let probe = Probe::new(&POLICY, "/tmp/scratch");
//!     assert_eq!(probe.verdict(&Act::Socket(libc_af_inet())), Layer::Seccomp);
//! }
//! ```
//!
//! Besides the named tests it runs those that follow from the declaration itself, see `declaration`.
//!
//! Each act runs twice in a child that has the program's user and capabilities: without, and with Landlock and
//! seccomp. What is refused both times was refused by file modes or a missing capability; what only the second time,
//! by Landlock (an error) or seccomp (the child ends with 77 by SIGSYS).
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test tooling: it may say what it means"
)]

mod declaration;
mod grants;
mod program;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use caps::CapsHashSet;
use nix::sys::socket::{AddressFamily, SockFlag, SockType};
use serde::{Deserialize, Serialize};
use waagent_common::args::Common;
use waagent_common::root::Root;
use waagent_common::sandbox::Confine;
use waagent_common::sys::forbidden_calls;
use waagent_common::sys::spawn::{Identity, capability, set_identity};
use waagent_common::users::{gid_of, uid_of};
use waagent_declaration::{Policy, RunsAs};

pub use program::{Test, main};

/// Something that a program might try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Act {
    /// Open a file for reading, and read a byte.
    Read(PathBuf),
    /// Make a file in this folder, and remove it.
    CreateIn(PathBuf),
    /// Open an existing file for writing (nothing is written).
    Write(PathBuf),
    /// Remove a file.
    Remove(PathBuf),
    /// Execute a program, as far as its loader.
    Execute(PathBuf),
    /// Open a stream socket of this family.
    Socket(i32),
    /// Open a datagram socket of IPv4.
    Datagrams,
    /// Open a socket of Multipath TCP.
    Multipath,
    /// Connect to a port of 127.0.0.1 by sending: TCP Fast Open (what the peer says counts as allowed).
    FastOpen(u16),
    /// Connect by TCP to a port of 127.0.0.1 (refused by the peer counts as allowed).
    Connect(u16),
    /// Listen by TCP on an ephemeral port.
    Listen,
    /// Mount a tmpfs there.
    Mount(PathBuf),
    /// Set the host name to what it is.
    SetHostname,
    /// Make a namespace.
    Unshare,
    /// Send signal 0 to this process.
    Signal(i32),
    /// Attach to this process as a debugger.
    Trace(i32),
    /// Become this user.
    SetUid(u32),
    /// Map memory that is writable and executable.
    MapCode,
    /// Open a file by its handle, past the folders on its way.
    OpenByHandle,
}

/// What stopped an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Nothing: it is allowed.
    Allowed,
    /// File mode, owner, or a missing capability.
    Modes,
    /// Landlock.
    Landlock,
    /// The system call filter.
    Seccomp,
}

/// A program's sandbox, to be tried from inside.
#[derive(Debug)]
pub struct Probe<'a> {
    policy: &'a Policy,
    root: PathBuf,
    user: Option<(u32, u32)>,
}

const ACT: &str = "WAAGENT_PROBE_ACT";
const BARE: &str = "WAAGENT_PROBE_BARE";
const ROOT: &str = "WAAGENT_PROBE_ROOT";
/// Statuses of a child: done, refused by an error, stopped by the filter.
const DONE: i32 = 0;
const REFUSED: i32 = 10;
const STOPPED: i32 = 77;

impl<'a> Probe<'a> {
    /// The sandbox of this policy with `--root root`. The child runs as the policy's user if this machine has it, else
    /// as `nobody`.
    pub fn new(policy: &'a Policy, root: impl AsRef<Path>) -> Self {
        let tree = Root::new(Path::new("/"));
        let user = match policy.runs_as {
            RunsAs::User(name) => {
                let uid = uid_of(&tree, name).unwrap_or(65534);
                Some((uid, gid_of(&tree, name).unwrap_or(65534)))
            }
            RunsAs::Root | RunsAs::Caller => None,
        };
        Self { policy, root: root.as_ref().to_path_buf(), user }
    }

    /// Runs the child as this user and group instead.
    #[must_use]
    pub fn as_user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some((uid, gid));
        self
    }

    /// What stops this act.
    pub fn verdict(&self, act: &Act) -> Layer {
        match (self.run(act, true), self.run(act, false)) {
            (REFUSED, _) => Layer::Modes,
            (DONE, DONE) => Layer::Allowed,
            // Landlock knows no sockets: where tools may run, the filter answers that the family isn't supported.
            (DONE, REFUSED) if matches!(act, Act::Socket(_)) => Layer::Seccomp,
            (DONE, REFUSED) => Layer::Landlock,
            (DONE, STOPPED) => Layer::Seccomp,
            other => panic!("probe of {act:?} ended oddly: {other:?}"),
        }
    }

    fn run(&self, act: &Act, bare: bool) -> i32 {
        let (uid, gid) = self.user.unwrap_or((0, 0));
        let kept: CapsHashSet =
            self.policy.capabilities.iter().filter_map(|grant| capability(grant.what)).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(ACT, serde_json::to_string(act).unwrap())
            .env(BARE, if bare { "1" } else { "0" })
            .env(ROOT, &self.root);
        let identity = Identity {
            uid,
            gid,
            groups: Vec::new(),
            capabilities: Some(kept),
            umask: 0o077,
            no_new_privs: true,
            session: false,
        };
        set_identity(&mut command, identity);
        let output = command.output().expect("the test starts itself");
        output.status.code().unwrap_or_else(|| panic!("{act:?}: {output:?}"))
    }
}

/// The child's half: tries the act and ends the process. Does nothing in an ordinary test run.
fn child(policy: &Policy) {
    let Ok(act) = std::env::var(ACT) else { return };
    let act: Act = serde_json::from_str(&act).unwrap();
    let bare = std::env::var(BARE).unwrap() == "1";
    let root = PathBuf::from(std::env::var(ROOT).unwrap());
    if matches!(act, Act::Mount(_)) {
        in_mounts_of_its_own();
    }
    let policy = *policy;
    if !bare {
        let args = Common { policy: false, configuration_path: None, root };
        let sandbox = policy.enter(&args).expect("the sandbox can be entered");
        sandbox.satisfies(true).expect("the kernel offers every layer");
    }
    std::process::exit(match attempt(&act) {
        Ok(()) => DONE,
        Err(_) => REFUSED,
    });
}

/// A mount that succeeds goes with the child. Who may have no namespace may not mount either.
fn in_mounts_of_its_own() {
    use nix::mount::{MsFlags, mount};
    if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).is_ok() {
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
            .expect("the namespace is the child's own");
    }
}

fn attempt(act: &Act) -> std::io::Result<()> {
    match act {
        Act::Read(path) => {
            use std::io::Read;
            std::fs::File::open(path)?.read(&mut [0; 1]).map(|_| ())
        }
        Act::CreateIn(folder) => {
            let path = folder.join("waagent-probe");
            std::fs::File::create_new(&path)?;
            std::fs::remove_file(path)
        }
        Act::Write(path) => std::fs::OpenOptions::new().write(true).open(path).map(|_| ()),
        Act::Remove(path) => std::fs::remove_file(path),
        Act::Execute(path) => {
            // Instead of this process, so that the filter ends this one; the loader says what it would load and
            // ends with 0 (ld.so(8)).
            Err(Command::new(path).env("LD_TRACE_LOADED_OBJECTS", "1").exec())
        }
        Act::Connect(port) => connect(*port),
        Act::Listen => std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(|_| ()),
        Act::Socket(family) => socket(*family),
        Act::Datagrams => {
            let flags = SockFlag::empty();
            Ok(nix::sys::socket::socket(AddressFamily::Inet, SockType::Datagram, flags, None).map(drop)?)
        }
        Act::Multipath => forbidden_calls::multipath_socket(),
        Act::FastOpen(port) => fast_open(*port),
        Act::Trace(pid) => Ok(nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(*pid))?),
        Act::MapCode => forbidden_calls::map_code(),
        Act::OpenByHandle => forbidden_calls::open_by_handle(),
        Act::Mount(path) => {
            let flags = nix::mount::MsFlags::empty();
            Ok(nix::mount::mount(Some("probe"), path, Some("tmpfs"), flags, None::<&str>)?)
        }
        Act::SetHostname => Ok(nix::unistd::sethostname(nix::unistd::gethostname()?)?),
        Act::Unshare => Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS)?),
        Act::Signal(pid) => Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), None)?),
        Act::SetUid(uid) => Ok(nix::unistd::setuid(nix::unistd::Uid::from_raw(*uid))?),
    }
}

fn connect(port: u16) -> std::io::Result<()> {
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Without a limit: that would be an ioctl, which isn't every program's. The loopback answers at once.
    match TcpStream::connect(peer) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        connected => connected.map(|_| ()),
    }
}

fn fast_open(port: u16) -> std::io::Result<()> {
    use nix::errno::Errno;
    use nix::sys::socket::{MsgFlags, SockaddrIn, sendto};
    let socket =
        nix::sys::socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let flags = MsgFlags::from_bits_retain(nix::libc::MSG_FASTOPEN | nix::libc::MSG_NOSIGNAL);
    match sendto(socket.as_raw_fd(), b"x", &SockaddrIn::new(127, 0, 0, 1, port), flags) {
        Err(Errno::ECONNREFUSED | Errno::EOPNOTSUPP) => Ok(()),
        sent => Ok(sent.map(drop)?),
    }
}

fn socket(family: i32) -> std::io::Result<()> {
    let family = AddressFamily::from_i32(family).expect("a family that nix knows");
    let _closed_at_once = nix::sys::socket::socket(family, SockType::Stream, SockFlag::empty(), None)?;
    Ok(())
}
