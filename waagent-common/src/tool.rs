//! Executing a system tool: absolute path, built environment, bounded time and output.

use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::fault::{Exit, Fault};
use crate::secret::Secret;
use crate::text::shown;
use crate::wait::ready;

/// How much of each stream is kept, in bytes.
const MAX_OUTPUT: usize = 64 << 10;

/// A tool with its arguments.
#[derive(Debug)]
pub struct Tool {
    program: Cow<'static, str>,
    arguments: Vec<String>,
    input: Option<Secret<Vec<u8>>>,
    limit: Duration,
}

/// What a tool said before it ended by itself.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, at most 64 KiB.
    pub stdout: String,
    /// Standard error, at most 64 KiB.
    pub stderr: String,
}

impl Output {
    /// The kernel's error that made it fail, as far as somebody decides by it. It is in the tool's words alone: those of
    /// strerror(3), since tools run with `LC_ALL=C.UTF-8`.
    pub fn errno(&self) -> Option<Errno> {
        [Errno::EROFS, Errno::ENOSPC]
            .into_iter()
            .find(|errno| [&self.stderr, &self.stdout].iter().any(|said| said.contains(errno.desc())))
    }
}

impl Tool {
    /// A tool by its absolute path, which the program's policy declares.
    pub fn new(program: impl Into<Cow<'static, str>>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), input: None, limit: Duration::from_secs(60) }
    }

    /// One more argument. Never a secret: everybody can read it.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Bytes for its standard input.
    #[must_use]
    pub fn input(mut self, bytes: Secret<Vec<u8>>) -> Self {
        self.input = Some(bytes);
        self
    }

    /// Another limit than 60 s; the tool is killed after it.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it; a status other than 0 is an error that shows what the tool said.
    pub fn run(self) -> Result<Output, Fault> {
        self.start()?.success()
    }

    /// Runs it, whatever its status.
    pub fn output(self) -> Result<Output, Fault> {
        self.start()?.end()
    }

    /// Starts it; its time begins now.
    pub fn start(self) -> Result<Running, Fault> {
        let child = Command::new(self.program.as_ref())
            .args(&self.arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .current_dir("/")
            .process_group(0)
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| failed("execute", &self.program, &error))?;
        Ok(Running { deadline: Instant::now() + self.limit, program: self.program, input: self.input, child })
    }
}

/// A tool at work. It ends with this value at the latest.
#[derive(Debug)]
pub struct Running {
    program: Cow<'static, str>,
    input: Option<Secret<Vec<u8>>>,
    child: Child,
    deadline: Instant,
}

impl Running {
    /// Talks to it until it ends; a status other than 0 is an error that shows what the tool said.
    pub fn success(self) -> Result<Output, Fault> {
        let program = self.program.clone();
        let output = self.end()?;
        if output.status.success() {
            return Ok(output);
        }
        let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
        let text = format!("'{program}' failed ({}): {}", output.status, shown(said.trim()));
        Err(Fault { errno: output.errno(), ..Fault::new(Exit::Os, text) })
    }

    /// Talks to it until it ends, whatever its status.
    pub fn end(mut self) -> Result<Output, Fault> {
        let input = self.input.as_ref().map_or(&[][..], |input| input.expose());
        let (stdout, stderr) = converse(&mut self.child, input, self.deadline).map_err(|error| {
            // What it started may outlive it, and hold its pipes.
            kill_group(&self.child);
            failed("talk to", &self.program, &error)
        })?;
        let status = self.child.wait().map_err(|error| failed("wait for", &self.program, &error))?;
        Ok(Output { status, stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever was waited for already is left alone.
        if let Ok(None) = self.child.try_wait() {
            kill_group(&self.child);
            // Killed: what is waited for is its end alone.
            let _ended = self.child.wait();
        }
    }
}

fn failed(act: &str, program: &str, error: &io::Error) -> Fault {
    Fault::new(Exit::Os, format!("cannot {act} '{program}': {error}"))
}

/// The tool and what it started: it has a process group of its own.
fn kill_group(child: &Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        // It may have ended meanwhile.
        let _gone = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Feeds standard input and collects both outputs until they are closed, or the time is up.
fn converse(child: &mut Child, input: &[u8], deadline: Instant) -> io::Result<(String, String)> {
    let (mut stdin, mut stdout, mut stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut unsent = input;
    for fd in
        [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)]
    {
        fd.map_or(Ok(()), non_blocking)?;
    }
    while stdout.is_some() || stderr.is_some() {
        wait(
            stdin.as_ref().map(AsFd::as_fd),
            stdout.as_ref().map(AsFd::as_fd),
            stderr.as_ref().map(AsFd::as_fd),
            deadline,
        )?;
        if let Some(pipe) = &mut stdin {
            match pipe.write(unsent) {
                Ok(sent) => unsent = unsent.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It doesn't want more: its status tells.
                Err(_) => unsent = &[],
            }
        }
        if unsent.is_empty() {
            stdin = None;
        }
        take(&mut stdout, &mut out)?;
        take(&mut stderr, &mut err)?;
    }
    Ok((String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned()))
}

fn non_blocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}

fn wait(
    stdin: Option<BorrowedFd<'_>>,
    stdout: Option<BorrowedFd<'_>>,
    stderr: Option<BorrowedFd<'_>>,
    deadline: Instant,
) -> io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = stdin.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLOUT)).collect();
    fds.extend(stdout.into_iter().chain(stderr).map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    let left = deadline.saturating_duration_since(Instant::now());
    if ready(&mut fds, Some(left))? {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::TimedOut, "its time was up, killed"))
    }
}

/// Reads what is there; a closed pipe becomes `None`, what is over the bound is dropped.
fn take(pipe: &mut Option<impl Read>, kept: &mut Vec<u8>) -> io::Result<()> {
    let Some(open) = pipe else { return Ok(()) };
    let mut buffer = [0; 4096];
    loop {
        match open.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(());
            }
            Ok(read) => {
                let room = MAX_OUTPUT.saturating_sub(kept.len()).min(read);
                kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_and_collects() {
        let output = Tool::new("/bin/cat").input(Secret::new(b"hello".to_vec())).run().unwrap();
        assert_eq!(output.stdout, "hello");
    }

    #[test]
    fn says_why_a_tool_failed() {
        let fault = Tool::new("/bin/ls").arg("/no/such/file").run().unwrap_err();
        assert!(fault.text.contains("/no/such/file"), "{fault}");
    }

    #[test]
    fn kills_a_tool_whose_time_is_up() {
        let fault = Tool::new("/bin/sleep").arg("60").limit(Duration::from_millis(50)).run().unwrap_err();
        assert!(fault.text.contains("time was up"), "{fault}");
    }

    #[test]
    fn keeps_no_more_than_the_bound() {
        let output = Tool::new("/usr/bin/head").args(["-c", "200000", "/dev/zero"]).run().unwrap();
        assert_eq!(output.stdout.len(), MAX_OUTPUT);
    }
}
