//! The command itself: started as published handlers expect it, waited for, ended when its time is up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags};
use nix::sys::inotify::AddWatchFlags;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getgroups};
use waagent_common::command::output::Stream;
use waagent_common::sys::pidfd;
use waagent_common::sys::spawn::{Identity, set_identity};
use waagent_common::time::uptime;
use waagent_common::wait::ready;
use waagent_common::watch::Watch;

/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(5);
/// How often, at most, a busy stream's size is looked at.
const PACE: Duration = Duration::from_millis(20);

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    /// The shell.
    pub(crate) shell: &'a Path,
    /// Its arguments: `-c` and the command line, or a script.
    pub(crate) arguments: &'a [&'a str],
    /// The whole environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Working directory.
    pub(crate) directory: &'a Path,
    /// Its time.
    pub(crate) limit: Duration,
}

/// How the shell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Exit status.
    pub(crate) code: Option<i32>,
    /// Signal that ended it.
    pub(crate) signal: Option<i32>,
    /// Was its time up?
    pub(crate) timed_out: bool,
}

impl Launch<'_> {
    /// Starts the command in a session of its own, standard input on `/dev/null`, output into the two files.
    pub(crate) fn start(&self, out: &File, err: &File) -> io::Result<Child> {
        let mut command = Command::new(self.shell);
        command
            .arg0("sh")
            .args(self.arguments)
            .env_clear()
            .envs(self.environment)
            .current_dir(self.directory)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?);
        let identity = Identity {
            uid: 0,
            gid: 0,
            groups: getgroups()?.into_iter().map(nix::unistd::Gid::as_raw).collect(),
            capabilities: None,
            umask: 0o022,
            no_new_privs: false,
            session: true,
        };
        set_identity(&mut command, identity);
        command.spawn()
    }
}

/// Waits for the shell alone: what it leaves behind lives on. Streams are held within their bounds meanwhile.
pub(crate) fn wait(
    child: &mut Child,
    limit: Duration,
    streams: &mut [Stream],
    paths: &[&Path],
) -> io::Result<Ending> {
    let ended = pidfd::of_child(child.id())?;
    let mut growth = Watch::new().map_err(io::Error::other)?;
    for path in paths {
        growth.add(path, AddWatchFlags::IN_MODIFY, ())?;
    }
    let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let deadline = uptime() + limit;
    if await_end(&ended, &mut growth, streams, deadline)? {
        return Ok(ending(child.wait()?, false));
    }
    kill(group, Signal::SIGTERM);
    await_end(&ended, &mut growth, streams, uptime() + GRACE)?;
    kill(group, Signal::SIGKILL);
    Ok(ending(child.wait()?, true))
}

/// Did the shell end before the deadline?
fn await_end(
    ended: &OwnedFd,
    growth: &mut Watch<()>,
    streams: &mut [Stream],
    deadline: Duration,
) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_sub(uptime());
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds =
            [PollFd::new(ended.as_fd(), PollFlags::POLLIN), PollFd::new(growth.as_fd(), PollFlags::POLLIN)];
        ready(&mut fds, Some(left))?;
        let [end, grown] = fds.map(|fd| fd.any().unwrap_or(false));
        if end {
            return Ok(true);
        }
        if grown {
            growth.changes(|_| {}).map_err(io::Error::other)?;
            for stream in streams.iter_mut() {
                stream.bound()?;
            }
            // A stream that is written byte by byte costs one look in PACE, not one each.
            if ready(&mut [PollFd::new(ended.as_fd(), PollFlags::POLLIN)], Some(PACE.min(left)))? {
                return Ok(true);
            }
        }
    }
}

fn kill(group: Pid, signal: Signal) {
    // All of it may have ended meanwhile.
    let _gone = killpg(group, signal);
}

fn ending(status: ExitStatus, timed_out: bool) -> Ending {
    Ending { code: status.code(), signal: status.signal(), timed_out }
}
