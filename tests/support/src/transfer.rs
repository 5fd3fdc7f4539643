//! waagent-transfer, started as its socket starts it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use caps::CapsHashSet;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::socket::SockType;
use nix::unistd::{Pid, geteuid};
use waagent_common::sys::spawn::{Identity, set_identity};
use waagent_common::transfer::SOCKET;

use crate::network::{FETCHER, listening, with_descriptor_3};

/// Its user in a scratch root.
pub const MOVER: u32 = 64001;

/// The program, and whoever starts it again after each end, until this is dropped.
#[derive(Debug)]
pub struct Transfer {
    shell: Child,
    socket: PathBuf,
}

impl Transfer {
    /// Listens below this root, for its `waagent-fetch` and for root; with these variables besides.
    pub fn start(program: &Path, root: &Path, environment: &[(&str, &str)]) -> Self {
        let socket = root.join("run/waagent").join(SOCKET);
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        let is_root = geteuid().is_root();
        if !root.join("etc/passwd").exists() {
            let fetcher = if is_root { FETCHER } else { geteuid().as_raw() };
            let users = format!("waagent-fetch:x:{fetcher}:{fetcher}::/:/bin/false\n");
            fs::write(root.join("etc/passwd"), users).unwrap();
        }
        let listener = listening(&socket, SockType::Stream);
        let again =
            "while :; do sh -c 'LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"' \"$0\" \"$@\" || :; done";
        let mut command = with_descriptor_3(&listener, true);
        command.args(["/bin/sh", "-c", again]).arg(program).arg("--root").arg(root);
        command.envs(environment.iter().copied()).stdout(Stdio::null());
        let identity = Identity {
            uid: if is_root { MOVER } else { geteuid().as_raw() },
            gid: if is_root { MOVER } else { nix::unistd::getegid().as_raw() },
            groups: Vec::new(),
            capabilities: is_root.then(CapsHashSet::new),
            umask: 0o077,
            no_new_privs: true,
            session: true,
        };
        set_identity(&mut command, identity);
        Self { shell: command.spawn().unwrap(), socket }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Kills the program that is at work now, if one is; its shell starts another.
    pub fn kill(&self) {
        let shell = self.shell.id();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        for child in children.split_whitespace() {
            // It may have ended a moment ago.
            let _ended = kill(Pid::from_raw(child.parse().unwrap()), Signal::SIGKILL);
        }
    }

    fn session(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.shell.id()).unwrap())
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        // Its shell first: it would start another.
        let _ended = self.shell.kill();
        self.shell.wait().unwrap();
        let _ended = killpg(self.session(), Signal::SIGKILL);
    }
}
