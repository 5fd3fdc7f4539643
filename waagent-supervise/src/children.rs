//! Started programs: their lines are passed on, their end and cost noted.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use waagent_common::sys::spawn::{pass_socket, set_identity};
use waagent_common::sys::wait::{Ended, ended_child};

use super::lines::{brief, mib, say};
use super::programs::Program;

/// Longest line of a program that is kept together, in bytes.
const MAX_LINE: usize = 4096;
const LOG: &str = "/var/log/waagent.log";

/// What the runs of a program cost.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Cost {
    /// How often it was started.
    pub runs: u32,
    /// Wall time of all runs, in milliseconds.
    pub wall_ms: u64,
    /// CPU time of all runs, in microseconds.
    pub cpu_us: u64,
    /// Largest resident memory of a run, in bytes.
    pub peak_memory: u64,
}

#[derive(Debug)]
struct Child {
    program: Program,
    detail: String,
    started: Instant,
    stderr: Option<ChildStderr>,
    partial: Vec<u8>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Which program.
    pub program: Program,
    /// What its run was about: an id, a reason.
    pub detail: String,
    /// How it ended.
    pub ended: Ended,
}

/// All children.
#[derive(Debug)]
pub struct Children {
    folder: PathBuf,
    notify: PathBuf,
    running: BTreeMap<i32, Child>,
    costs: BTreeMap<&'static str, Cost>,
}

/// How a program is to be started.
#[derive(Debug)]
pub struct Start<'a> {
    /// Which one.
    pub program: Program,
    /// Arguments after its own.
    pub arguments: Vec<String>,
    /// Additional environment.
    pub environment: Vec<(&'static str, String)>,
    /// A socket for descriptor 3.
    pub socket: Option<BorrowedFd<'a>>,
    /// What the run is about.
    pub detail: String,
}

impl Start<'_> {
    /// A plain start.
    pub fn of(program: Program) -> Self {
        let (arguments, environment, detail) = (Vec::new(), Vec::new(), String::new());
        Self { program, arguments, environment, socket: None, detail }
    }
}

impl Children {
    /// Programs are below `folder`; residents report to the socket `notify`.
    pub fn new(folder: &Path, notify: &Path) -> Self {
        let (running, costs) = (BTreeMap::new(), BTreeMap::new());
        Self { folder: folder.to_path_buf(), notify: notify.to_path_buf(), running, costs }
    }

    /// Starts a program with its own rights.
    pub fn start(&mut self, start: Start<'_>) -> Result<()> {
        let binary = self.folder.join(start.program.name());
        let mut command = if start.socket.is_some() {
            let mut own = Command::new("/proc/self/exe");
            own.arg("--exec-with-socket").arg(&binary);
            own
        } else {
            Command::new(&binary)
        };
        command
            .args(start.program.arguments())
            .args(&start.arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(start.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(Stdio::piped());
        if start.program.is_resident() {
            command.env("NOTIFY_SOCKET", &self.notify);
        }
        if let Some(socket) = start.socket {
            pass_socket(&mut command, socket)?;
        }
        set_identity(&mut command, start.program.identity()?);
        let mut child = command.spawn().with_context(|| format!("cannot execute '{}'", binary.display()))?;
        let stderr = child.stderr.take();
        if let Some(pipe) = &stderr {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let pid = i32::try_from(child.id()).context("process number")?;
        let (program, detail, started) = (start.program, start.detail, Instant::now());
        self.running.insert(pid, Child { program, detail, started, stderr, partial: Vec::new() });
        Ok(())
    }

    /// Is a run of this program at work?
    pub fn is_running(&self, program: Program) -> bool {
        self.running.values().any(|child| child.program == program)
    }

    /// Is a link of the chain at work?
    pub fn has_oneshot(&self) -> bool {
        self.running.values().any(|child| child.program.is_link())
    }

    /// Descriptors to wait on for lines.
    pub fn pipes(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.running.values().filter_map(|child| child.stderr.as_ref().map(AsFd::as_fd))
    }

    /// Passes on what the programs have said.
    pub fn pass_on_lines(&mut self) {
        self.running.values_mut().for_each(Child::pass_on);
    }

    /// The runs that have ended since the last call. Orphans that were ours to reap are reaped without a word.
    pub fn finished(&mut self) -> Vec<Finished> {
        let mut finished = Vec::new();
        while let Some(ended) = ended_child() {
            let Some(mut child) = self.running.remove(&ended.pid.as_raw()) else { continue };
            if child.program != Program::Runner {
                // The runner's unit alone has KillMode=process.
                end_session(ended.pid.as_raw());
            }
            child.pass_on();
            let wall = child.started.elapsed();
            self.note(child.program, wall, &ended);
            say_end(&child, wall, &ended);
            finished.push(Finished { program: child.program, detail: child.detail, ended });
        }
        finished
    }

    /// Sends a signal to a running program.
    pub fn signal(&self, program: Program, signal: Signal) {
        for (pid, child) in &self.running {
            if child.program == program {
                // It may have ended a moment ago.
                let _gone = kill(Pid::from_raw(*pid), signal);
            }
        }
    }

    /// When the next run has had its time: it is asked to end, and is ended `patience` later.
    pub fn next_end(&self, patience: Duration) -> Option<Instant> {
        let now = Instant::now();
        let ends = self.running.values().filter_map(|child| Some(child.started + child.program.limit()?));
        ends.flat_map(|end| [end, end + patience]).filter(|end| *end > now).min()
    }

    /// Ends the runs that have had their time.
    pub fn end_overdue(&self, patience: Duration) {
        for (pid, child) in &self.running {
            let over = child.program.limit().and_then(|limit| child.started.elapsed().checked_sub(limit));
            let Some(over) = over else { continue };
            let signal = if over < patience { Signal::SIGTERM } else { Signal::SIGKILL };
            // It may have ended a moment ago.
            let _gone = kill(Pid::from_raw(*pid), signal);
        }
    }

    /// What each program's runs have cost so far.
    pub fn costs(&self) -> &BTreeMap<&'static str, Cost> {
        &self.costs
    }

    fn note(&mut self, program: Program, wall: Duration, ended: &Ended) {
        let cost = self.costs.entry(program.name()).or_default();
        cost.runs += 1;
        cost.wall_ms += u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        cost.cpu_us += u64::try_from(ended.cpu.as_micros()).unwrap_or(u64::MAX);
        cost.peak_memory = cost.peak_memory.max(ended.peak_memory);
    }
}

impl Child {
    fn pass_on(&mut self) {
        let mut buffer = [0; 4096];
        while let Some(pipe) = &mut self.stderr {
            match pipe.read(&mut buffer) {
                Ok(0) => self.stderr = None,
                Ok(read) => {
                    self.partial.extend_from_slice(buffer.get(..read).unwrap_or_default());
                    self.say_whole_lines();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }

    fn say_whole_lines(&mut self) {
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            self.say(&line);
        }
        if self.partial.len() > MAX_LINE {
            let line = std::mem::take(&mut self.partial);
            self.say(&line);
        }
    }

    fn say(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let name = self.program.name();
        let text = line.trim_end().strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
        say(name, text.unwrap_or(line.trim_end()));
    }
}

fn say_end(child: &Child, wall: Duration, ended: &Ended) {
    let how = match (ended.code, ended.signal) {
        (Some(0), _) if child.program.is_resident() => "ended".to_owned(),
        (Some(0), _) => "done".to_owned(),
        (Some(code), _) => format!("failed with exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let detail = if child.detail.is_empty() { String::new() } else { format!(" ({})", child.detail) };
    let cost = format!("{}, CPU {}, peak {}", brief(wall), brief(ended.cpu), mib(ended.peak_memory));
    say(child.program.name(), &format!("  {how}{detail}: {cost}"));
}

/// Ends what a program left at work, its tools: they would meet those of its next run. Each program leads a session.
fn end_session(leader: i32) {
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for pid in processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name in parentheses: state, parent, group, session (proc_pid_stat(5)).
        let session = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(3));
        if session.and_then(|session| session.parse().ok()) == Some(leader) {
            // It may have ended a moment ago.
            let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// The log, opened for the program as PID 1 does: the program needs no right to it.
fn log() -> Result<Stdio> {
    let file: File = OpenOptions::new()
        .append(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NOCTTY)
        .open(LOG)
        .with_context(|| format!("cannot open '{LOG}'"))?;
    Ok(Stdio::from(file))
}
