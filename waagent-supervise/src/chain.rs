//! The order of a boot, and what happens after it.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags};
use nix::sys::inotify::AddWatchFlags;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;
use waagent_common::fault::Outcome;
use waagent_common::lock::Lock;
use waagent_common::root::{RUNTIME_PATH, Root};
use waagent_common::watch::Watch;
use waagent_common::{resident, wait};

use super::args::Args;
use super::children::{Children, Finished, Start};
use super::flags::{Commands, Flags};
use super::lines::{brief, mib, say};
use super::looks::Looks;
use super::programs::Program;
use super::restarts::Restarts;
use super::triggers::{self, Triggers, folders};
use super::{accounts, folders as tmpfiles, sockets};

/// What a program that was told to end may take for it.
const STOP: Duration = Duration::from_secs(10);
/// A boot, in order.
const BOOT: &[Program] = &[
    Program::Firewall,
    Program::Media,
    Program::Provision,
    Program::Disk,
    Program::Net,
    Program::Gate,
    Program::Fetch,
    Program::Certs,
    Program::ProvisionLate,
    Program::Ext,
];
/// Between two starts of transfers: one that crashes at each isn't a busy loop.
const TRANSFER_PAUSE: Duration = Duration::from_secs(1);
/// Longer than the end of all takes.
const NEVER: Duration = Duration::from_secs(3600);
const NAME: &str = "waagent-supervise";

/// Everything that PID 1 would hold.
struct Chain<'a> {
    args: &'a Args,
    children: Children,
    queue: VecDeque<Program>,
    /// What was started last from the queue, and when first.
    link: Option<(Program, Instant)>,
    restarts: Restarts,
    looks: Looks,
    triggers: Triggers,
    flags: Flags,
    commands: Commands,
    gate: OwnedFd,
    transfer: OwnedFd,
    /// Before this moment nobody looks whether there is an order.
    no_transfer_before: Instant,
    notifications: UnixDatagram,
    files: Watch<()>,
    signals: SignalFd,
}

/// Runs the chain until a signal says stop.
pub fn run(args: &Args) -> Result<Outcome> {
    let _only_one = only_one()?;
    accounts::make(&args.sysusers).context("cannot make the accounts")?;
    tmpfiles::make(&args.tmpfiles).context("cannot make the folders")?;
    new_run_of_the_chain()?;
    let mut chain = Chain::new(args)?;
    while !chain.step()? {}
    chain.stop()?;
    chain.tell_costs()?;
    Ok(Outcome::Said)
}

/// A second one would take the gate's socket and the residents' reports from the first.
fn only_one() -> Result<Lock> {
    let root = Root::new(Path::new("/"));
    let folder = root.runtime_path("supervise");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make '{}'", folder.display()))?;
    Ok(Lock::take(&root, "supervise")?)
}

/// A new inode at `<run>/chain` tells waagent-ext that the chain was started anew, and not itself alone.
fn new_run_of_the_chain() -> Result<()> {
    let path = format!("{RUNTIME_PATH}/chain");
    match fs::remove_dir(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove '{path}'"));
        }
        _ => {}
    }
    fs::create_dir(&path).with_context(|| format!("cannot make '{path}'"))
}

impl<'a> Chain<'a> {
    fn new(args: &'a Args) -> Result<Self> {
        let (notifications, notify) = sockets::notifications()?;
        let mut files = Watch::new()?;
        let wanted = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CREATE;
        for folder in folders() {
            files.add(&folder, wanted, ()).with_context(|| format!("cannot watch '{}'", folder.display()))?;
        }
        let handled = [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
        Ok(Self {
            args,
            children: Children::new(&args.programs, &notify),
            queue: BOOT.iter().copied().collect(),
            link: None,
            restarts: Restarts::default(),
            looks: Looks::from(Instant::now()),
            triggers: Triggers::default(),
            flags: Flags::as_they_are(),
            commands: Commands::default(),
            gate: sockets::gate()?,
            transfer: sockets::transfer()?,
            no_transfer_before: Instant::now(),
            notifications,
            files,
            signals: resident::signals(&handled)?,
        })
    }

    /// Starts what is due, waits for what comes next, and says whether to stop.
    fn step(&mut self) -> Result<bool> {
        self.start_due()?;
        self.listen(None)?;
        self.children.end_overdue(STOP);
        let stop = self.told_to_stop();
        for finished in self.children.finished() {
            self.after(&finished)?;
        }
        Ok(stop)
    }

    /// One oneshot at a time, in order; residents and commands beside it.
    fn start_due(&mut self) -> Result<()> {
        self.flags_to_acts();
        while !self.children.has_oneshot() && !self.link_comes_again() {
            let Some(program) = self.queue.pop_front() else { break };
            if program == Program::ProvisionLate && !triggers::is_something_left() {
                continue;
            }
            self.link = Some((program, Instant::now()));
            self.start(program)?;
        }
        if !BOOT.iter().any(|program| self.queue.contains(program)) || self.queue.is_empty() {
            for (program, file) in self.triggers.due() {
                if !self.queue.contains(&program) && !self.children.is_running(program) {
                    say(program.name(), &format!("  started, '{file}' has changed"));
                    self.start(program)?;
                }
            }
        }
        let late = Program::ProvisionLate;
        let is_at_work = self.children.is_running(late) || self.queue.contains(&late);
        if self.looks.take(Instant::now()) && triggers::is_something_left() && !is_at_work {
            self.start(late)?;
        }
        for program in self.restarts.take(Instant::now()) {
            if !self.children.is_running(program) {
                self.start(program)?;
            }
        }
        self.start_transfer()?;
        self.start_command()
    }

    /// As its socket would: while somebody waits there and nobody is at work.
    fn start_transfer(&mut self) -> Result<()> {
        if !self.looks_for_orders() {
            return Ok(());
        }
        let mut waiting = [PollFd::new(self.transfer.as_fd(), PollFlags::POLLIN)];
        if !wait::ready(&mut waiting, Some(Duration::ZERO))? {
            return Ok(());
        }
        self.no_transfer_before = Instant::now() + TRANSFER_PAUSE;
        self.start(Program::Transfer)
    }

    fn looks_for_orders(&self) -> bool {
        !self.children.is_running(Program::Transfer) && Instant::now() >= self.no_transfer_before
    }

    /// What comes after a link waits for its restart, no longer than for one that hangs (`RestartMode=direct` and
    /// `JobRunningTimeoutSec=` of the units).
    fn link_comes_again(&self) -> bool {
        self.link.is_some_and(|(program, begun)| {
            let is_in_time = program.limit().is_some_and(|limit| begun.elapsed() < limit + STOP);
            is_in_time && self.restarts.has(program)
        })
    }

    fn start(&mut self, program: Program) -> Result<()> {
        self.triggers.begins(program);
        self.restarts.begins(program, Instant::now());
        let mut start = Start::of(program);
        let device = match program {
            Program::Media => &self.args.media_device,
            Program::Disk | Program::DiskFinish => &self.args.disk_device,
            _ => &None,
        };
        if let Some(device) = device {
            start.arguments = vec!["--device".to_owned(), device.display().to_string()];
        }
        match program {
            Program::Gate => start.socket = Some(self.gate.as_fd()),
            Program::Transfer => start.socket = Some(self.transfer.as_fd()),
            _ => {}
        }
        self.children.start(start)
    }

    /// The next command of a handler: one at a time in the whole machine.
    fn start_command(&mut self) -> Result<()> {
        if self.children.is_running(Program::Runner) {
            return Ok(());
        }
        let Some((arguments, detail)) = self.commands.take() else { return Ok(()) };
        self.children.start(Start { arguments, detail, ..Start::of(Program::Runner) })
    }

    fn flags_to_acts(&mut self) {
        let disk_is_at_work =
            [Program::Disk, Program::DiskFinish].iter().any(|program| self.children.is_running(*program));
        for program in self.flags.act(&mut self.commands, disk_is_at_work) {
            self.queue.push_front(program);
        }
    }

    /// Waits, and passes on what is said meanwhile.
    fn listen(&mut self, until: Option<Instant>) -> Result<()> {
        self.wait(until)?;
        self.children.pass_on_lines();
        self.hear_residents();
        // They only wake us: what is due is found by looking at the files.
        Ok(self.files.changes(|_| {})?)
    }

    /// Until something happens or is due, and no longer than `until`.
    fn wait(&self, until: Option<Instant>) -> Result<()> {
        let mut fds = vec![
            PollFd::new(self.files.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.notifications.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.children.pipes().map(|pipe| PollFd::new(pipe, PollFlags::POLLIN)));
        let mut due = vec![self.restarts.next(), self.looks.next(), self.children.next_end(STOP), until];
        if self.looks_for_orders() {
            fds.push(PollFd::new(self.transfer.as_fd(), PollFlags::POLLIN));
        } else if !self.children.is_running(Program::Transfer) {
            due.push(Some(self.no_transfer_before));
        }
        let next = due.into_iter().flatten().min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        wait::ready(&mut fds, left)?;
        Ok(())
    }

    /// What residents say of themselves.
    fn hear_residents(&self) {
        let mut buffer = [0; 1024];
        while let Ok(length) = self.notifications.recv(&mut buffer) {
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
            for line in text.lines().filter_map(|line| line.strip_prefix("STATUS=")) {
                say("status", &format!("  {line}"));
            }
        }
    }

    fn told_to_stop(&self) -> bool {
        let mut stop = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            stop |= Signal::try_from(number).is_ok_and(|signal| signal != Signal::SIGCHLD);
        }
        stop
    }

    fn after(&mut self, finished: &Finished) -> Result<()> {
        let program = finished.program;
        if program == Program::Runner {
            self.commands.ended(&finished.detail);
        }
        if let Some(pause) = self.restarts.ended(program, &finished.ended, Instant::now()) {
            say(program.name(), &format!("  is started again in {}", brief(pause)));
            return Ok(());
        }
        let has_no_note = matches!(program, Program::Runner | Program::Fetch | Program::FetchFailed);
        let is_success = finished.ended.code.is_some_and(|code| program.succeeds_with(code));
        if is_success || has_no_note {
            return Ok(());
        }
        self.report_failure(finished)
    }

    /// `OnFailure=` of the units: the platform hears of a crash that no restart has cured.
    fn report_failure(&mut self, finished: &Finished) -> Result<()> {
        let unit = format!("{}.service", finished.program.name());
        let (result, code, status) = match (finished.ended.code, finished.ended.signal) {
            (Some(code), _) => ("exit-code", "exited", code),
            (None, signal) => ("signal", "killed", signal.unwrap_or(0)),
        };
        let environment = vec![
            ("MONITOR_SERVICE_RESULT", result.to_owned()),
            ("MONITOR_EXIT_CODE", code.to_owned()),
            ("MONITOR_EXIT_STATUS", status.to_string()),
            ("MONITOR_UNIT", unit.clone()),
        ];
        let arguments = vec![unit];
        self.children.start(Start { arguments, environment, ..Start::of(Program::FetchFailed) })
    }

    /// Residents end in reverse order; the commands of handlers are left alone.
    fn stop(&mut self) -> Result<()> {
        say(NAME, "stopping");
        // Who still waits there waits in vain.
        self.no_transfer_before = Instant::now() + NEVER;
        let residents = BOOT.iter().rev().filter(|program| program.is_resident());
        for program in residents.chain(&[Program::Transfer]) {
            self.end(*program, Signal::SIGTERM, STOP)?;
            self.end(*program, Signal::SIGKILL, STOP)?;
        }
        Ok(())
    }

    fn end(&mut self, program: Program, signal: Signal, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        self.children.signal(program, signal);
        while self.children.is_running(program) && Instant::now() < deadline {
            self.listen(Some(deadline))?;
            self.told_to_stop();
            self.children.finished();
        }
        Ok(())
    }

    /// What everything has cost, for people on the terminal and for programs in a file.
    fn tell_costs(&self) -> Result<()> {
        for (program, cost) in self.children.costs() {
            let (wall, cpu) = (Duration::from_millis(cost.wall_ms), Duration::from_micros(cost.cpu_us));
            let text = format!(
                "{} runs, {} in all, CPU {}, peak {}",
                cost.runs,
                brief(wall),
                brief(cpu),
                mib(cost.peak_memory)
            );
            say(program, &text);
        }
        fs::write(format!("{RUNTIME_PATH}/costs.json"), serde_json::to_vec_pretty(self.children.costs())?)?;
        Ok(())
    }
}
