//! Ended children, with what they cost.

use std::time::Duration;

use nix::sys::wait::{WaitPidFlag, WaitStatus};
use nix::unistd::Pid;

/// A child that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its number.
    pub pid: Pid,
    /// Exit status, if it ended by itself.
    pub code: Option<i32>,
    /// Signal, if it was killed.
    pub signal: Option<i32>,
    /// Largest resident memory, its own children's included, in bytes.
    pub peak_memory: u64,
    /// CPU time of it and its own ended children.
    pub cpu: Duration,
}

/// The next ended child, without waiting: none where all are at work or there are none.
pub fn ended_child() -> Option<Ended> {
    let mut status = 0;
    // SAFETY: a zeroed rusage is valid, and the kernel fills it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live variables of the right types.
    let pid = unsafe { libc::wait4(-1, &raw mut status, WaitPidFlag::WNOHANG.bits(), &raw mut usage) };
    if pid <= 0 {
        return None;
    }
    let pid = Pid::from_raw(pid);
    let (code, signal) = match WaitStatus::from_raw(pid, status) {
        Ok(WaitStatus::Exited(_, code)) => (Some(code), None),
        Ok(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal_number(signal))),
        // Real-time signals have no name; stops and continues aren't asked for.
        Ok(_) | Err(_) => (None, None),
    };
    let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
    // ru_maxrss is in KiB on Linux (getrusage(2)).
    let peak_memory = u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024);
    Some(Ended { pid, code, signal, peak_memory, cpu })
}

#[expect(clippy::as_conversions, reason = "an enum's discriminant: the signal's number")]
fn signal_number(signal: nix::sys::signal::Signal) -> i32 {
    signal as i32
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
