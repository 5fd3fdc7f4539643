//! Grants of paths, tools, devices and ports, each with its neighbour.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use waagent_common::args::Common;
use waagent_common::root::Root;
use waagent_common::sandbox::{Confine, Sandbox};
use waagent_declaration::{Access, COMMON_READS, Connects, Device, Named, Policy, TOOL_READS};

use crate::declaration::told;

/// A root where nothing is.
pub fn nowhere() -> &'static Path {
    Path::new("/proc/self/fdinfo")
}

/// Enters the sandbox; every layer must be in force.
pub fn enter(policy: &Policy, root: &Path) -> Sandbox {
    let sandbox = policy.enter(&arguments(root)).unwrap();
    sandbox.satisfies(true).unwrap();
    sandbox
}

fn arguments(root: &Path) -> Common {
    Common { policy: false, configuration_path: None, root: root.to_path_buf() }
}

/// Every line of what is found wrong in the sandbox.
fn wrong(policy: &Policy, root: &Path, look: impl FnOnce(&Sandbox) -> Vec<String>) {
    let (status, said) = told(|mut pipe| {
        let lines = look(&enter(policy, root));
        pipe.write_all(lines.join("\n").as_bytes()).unwrap();
        0
    });
    assert_eq!((status, said.as_str()), (Some(0), ""), "{}: {said}", policy.program);
}

/// Modes leave everything open: what is closed, Landlock closes.
pub fn paths(policy: &Policy) {
    if !policy.declares("openat") {
        return;
    }
    let root = scratch();
    let read: Vec<&str> = policy.reads.iter().map(|grant| grant.what).collect();
    let written: Vec<&str> = policy.writes.iter().map(|grant| grant.what).collect();
    let tree = Root::new(&root);
    // What is the kernel's own is the machine's below any root: looked at, not made.
    let (of_kernel, made): (Vec<&str>, Vec<&str>) =
        read.iter().chain(&written).partition(|path| !tree.path(path).starts_with(&root));
    let at = |path: &str| tree.path(path);
    // What lies beside the agent's own folder in a tree of the system is the machine's: nothing is made there.
    let next = |path: &str| Some(format!("{path}-neighbour")).filter(|next| at(next).starts_with(&root));
    for path in &made {
        folder(&at(path));
        if let Some(next) = next(path) {
            folder(&at(&next));
        }
    }
    let is_below = |path: &str, of: &[&str]| of.iter().any(|other| Path::new(path).starts_with(other));
    wrong(policy, &root, |_sandbox| {
        let mut wrong = Vec::new();
        let mut expect = |what: &str, path: &str, is_open: bool, should_be: bool| {
            if is_open != should_be {
                wrong.push(format!("{what} {path}: {}", if is_open { "open" } else { "closed" }));
            }
        };
        for path in of_kernel.iter().filter(|path| Path::new(path).exists()) {
            expect("look into", path, !is_refused(&File::open(path)), true);
        }
        for path in made {
            expect("read", path, reads(&at(path)), true);
            expect("write", path, writes(&at(path)), is_below(path, &written));
            let Some(next) = next(path) else { continue };
            expect("read", &next, reads(&at(&next)), is_below(&next, &read) || is_below(&next, &written));
            expect("write", &next, writes(&at(&next)), is_below(&next, &written));
        }
        wrong
    });
    fs::remove_dir_all(root).unwrap();
}

/// Below a root where nothing is: what is declared of the system's own trees, which no root moves, is open all the same.
pub fn shared(policy: &Policy) {
    if !policy.declares("openat") {
        return;
    }
    let real = |path: &str| Path::new(path).canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    let tree = Root::new(nowhere());
    let declared: Vec<PathBuf> = policy
        .reads
        .iter()
        .chain(policy.writes)
        .filter(|grant| tree.path(grant.what) == Path::new(grant.what))
        .map(|grant| real(grant.what))
        .collect();
    let shared: Vec<&str> = policy.shared().reads.iter().map(|grant| grant.what).collect();
    let all: Vec<(&str, bool)> = COMMON_READS
        .iter()
        .chain(TOOL_READS)
        .map(|grant| grant.what)
        .filter(|path| Path::new(path).exists())
        .map(|path| {
            (path, shared.contains(&path) || declared.iter().any(|open| real(path).starts_with(open)))
        })
        .collect();
    wrong(policy, nowhere(), |_sandbox| {
        all.iter()
            .filter(|(path, is_open)| is_refused(&File::open(path)) == *is_open)
            .map(|(path, is_open)| format!("{path}: open should be {is_open}"))
            .collect()
    });
}

fn scratch() -> PathBuf {
    let root = std::env::temp_dir().join(format!("waagent-probe-{}", std::process::id()));
    folder(&root);
    root
}

fn folder(path: &Path) {
    fs::create_dir_all(path).unwrap();
    let file = path.join("file");
    fs::write(&file, "x").unwrap();
    for (path, mode) in [(path, 0o777), (&file, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn reads(folder: &Path) -> bool {
    File::open(folder.join("file")).is_ok()
}

/// The file of that name; a new one beside it says the same where the program makes files at all.
fn writes(folder: &Path) -> bool {
    OpenOptions::new().write(true).open(folder.join("file")).is_ok()
}

/// The loader is asked what it would load, and nothing is run (ld.so(8)).
pub fn tools(policy: &Policy) {
    let executed: Vec<&str> = policy.executes.iter().map(|grant| grant.what).collect();
    if executed.is_empty() {
        assert!(!policy.declares("execve") && !policy.declares("execveat"), "execve without a tool");
        return;
    }
    let is_executed = |path: &str| {
        let mut command = Command::new(path);
        command.env_clear().env("LD_TRACE_LOADED_OBJECTS", "1");
        !is_refused(&command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status())
    };
    wrong(policy, Path::new("/"), |_sandbox| {
        let mut wrong: Vec<String> = executed
            .iter()
            .filter(|path| !is_executed(path))
            .map(|path| format!("{path} is declared, and can't be executed"))
            .collect();
        let others = ["/bin/sh", "/usr/bin/true", "/usr/sbin/usermod", "/usr/sbin/mkswap"];
        wrong
            .extend(others.iter().filter(|path| is_executed(path)).map(|path| format!("{path} is executed")));
        wrong
    });
}

/// Nodes that are found are played by one that is everywhere.
pub fn devices(policy: &Policy) {
    const PLAYED: &str = "/dev/zero";
    const NEIGHBOUR: &str = "/dev/full";
    if policy.devices.is_empty() || !nix::unistd::geteuid().is_root() {
        return;
    }
    wrong(policy, nowhere(), |sandbox| {
        let is_found = policy.devices.iter().any(|device| device.named == Named::Found);
        let _narrowed = is_found.then(|| {
            let narrowed = policy.narrow(&arguments(nowhere()), &[PLAYED.into()], sandbox);
            narrowed.satisfies(true).unwrap();
            narrowed
        });
        let mut wrong = Vec::new();
        let mut expect = |path: &str, access: Access, device: Option<&Device>| {
            let should_be = device.is_some_and(|it| it.access.letters().contains(access.letters()));
            if is_open(path, access) != should_be && Path::new(path).exists() {
                wrong.push(format!("{path} {}: open is {}", access.letters(), !should_be));
            }
        };
        for device in policy.devices {
            let path = if device.named == Named::Found { PLAYED } else { device.what };
            expect(path, Access::Write, Some(device));
            // Every program may read /dev/null.
            if path != "/dev/null" {
                expect(path, Access::Read, Some(device));
            }
        }
        expect(NEIGHBOUR, Access::Read, None);
        expect(NEIGHBOUR, Access::Write, None);
        wrong
    });
}

/// A device that has no driver, or nobody behind it, is open as far as the sandbox is concerned.
fn is_open(path: &str, access: Access) -> bool {
    let (read, write) = (access != Access::Write, access != Access::Read);
    let opened = OpenOptions::new().read(read).write(write).open(path);
    !is_refused(&opened)
}

fn is_refused<T>(made: &std::io::Result<T>) -> bool {
    matches!(made, Err(error) if error.kind() == ErrorKind::PermissionDenied)
}

/// To this machine itself: that nobody listens there counts as reached.
pub fn ports(policy: &Policy) {
    let is_reached = |port: u16| {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // Without a limit: that would be an ioctl, which isn't every program's. The loopback answers at once.
        let made = TcpStream::connect(peer);
        !is_refused(&made)
    };
    let Connects::Ports(ports) = policy.connects else { return };
    wrong(policy, nowhere(), |_sandbox| {
        let declared: Vec<u16> = ports.iter().map(|(port, _)| *port).collect();
        let near = declared.iter().flat_map(|port| [port - 1, *port, port + 1]).chain([22, 443, 8080]);
        near.filter(|port| is_reached(*port) != declared.contains(port))
            .map(|port| format!("port {port}: reached is {}", !declared.contains(&port)))
            .collect()
    });
}
