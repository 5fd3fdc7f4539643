//! The loop of a program that stays: it sleeps until something changes, shows the service manager that it lives, and
//! ends when it is asked to. Long work does the latter two as well: a request that isn't heard for `TimeoutStopSec=`
//! becomes a SIGKILL, which would look as if the input had ended us.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::fault::{Exit, Fault, Outcome};
use crate::notify::notify;
use crate::wait;

/// Work that has gone on for so long is said to have started: below the time that PID 1 gives a start, 90 s
/// (`DefaultTimeoutStartSec=` of systemd-system.conf(5)).
const STARTED: Duration = Duration::from_secs(20);

/// Of the process, as its signals are.
static SIGN_OF_LIFE: OnceLock<SignOfLife> = OnceLock::new();

#[derive(Debug)]
struct SignOfLife {
    signals: SignalFd,
    began: Instant,
    /// Between two signs of life; none where nobody waits for them.
    period: Option<Duration>,
    /// When the last sign was given, in milliseconds after the begin; 0: none yet.
    signed: AtomicU64,
}

/// From here on SIGTERM and SIGINT end the program where it looks, and nowhere else. To be called before any thread is started.
pub fn begin() -> Result<(), Fault> {
    let signals = signals(&[Signal::SIGTERM, Signal::SIGINT])?;
    let period = period(std::env::var("WATCHDOG_USEC").ok().as_deref());
    let _once =
        SIGN_OF_LIFE.set(SignOfLife { signals, began: Instant::now(), period, signed: AtomicU64::new(0) });
    Ok(())
}

/// Signals that are read from a descriptor, and do nothing else any more.
pub fn signals(handled: &[Signal]) -> Result<SignalFd, Fault> {
    let set: SigSet = handled.iter().copied().collect();
    let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
    set.thread_block()
        .and_then(|()| SignalFd::with_flags(&set, flags))
        .map_err(|error| Fault::new(Exit::Os, format!("cannot listen for signals: {error}")))
}

/// To be called in every loop over foreign bytes or names. Is this program asked to end? What is half done then is thrown away.
pub fn must_end() -> bool {
    let Some(pulse) = SIGN_OF_LIFE.get() else { return false };
    if pulse.until_sign().is_some_and(|left| left.is_zero()) {
        sign();
    }
    // Looked at, not read: whoever looks next hears the same.
    let mut asked = [PollFd::new(pulse.signals.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|asked| asked > 0)
}

/// Tells the service manager that this program is at work; the first time, that it has started.
pub fn sign() {
    let Some(pulse) = SIGN_OF_LIFE.get() else { return };
    let now = u64::try_from(pulse.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let first = pulse.signed.swap(now, Ordering::Relaxed) == 0;
    notify(if first { "READY=1" } else { "WATCHDOG=1" });
}

/// Sleeps until one of these can be read, this program is asked to end, the time is over, or the next sign of life is due.
pub fn sleep(others: &[BorrowedFd<'_>], limit: Option<Duration>) -> Result<(), Fault> {
    let pulse = SIGN_OF_LIFE.get();
    let asked = pulse.map(|pulse| pulse.signals.as_fd());
    let mut fds: Vec<PollFd<'_>> =
        others.iter().copied().chain(asked).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let limit = limit.into_iter().chain(pulse.and_then(SignOfLife::until_sign)).min();
    wait::ready(&mut fds, limit)
        .map(|_| ())
        .map_err(|error| Fault::new(Exit::Os, format!("cannot wait: {error}")))
}

/// The end of a program that was asked to.
pub fn stopped() -> Outcome {
    notify("STOPPING=1");
    Outcome::Done("stopped".to_owned())
}

impl SignOfLife {
    /// How long there is until the next sign is due; none where there is nothing to say.
    fn until_sign(&self) -> Option<Duration> {
        let signed = Duration::from_millis(self.signed.load(Ordering::Relaxed));
        let period = if signed.is_zero() { Some(STARTED) } else { self.period };
        period.map(|period| (signed + period).saturating_sub(self.began.elapsed()))
    }
}

/// A third of what the service manager waits for a sign of life (`$WATCHDOG_USEC`, see `sd_watchdog_enabled(3)`): two may be
/// late.
fn period(micros: Option<&str>) -> Option<Duration> {
    let micros: u64 = micros?.parse().ok()?;
    Some(Duration::from_micros(micros / 3)).filter(|period| !period.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(period: Option<Duration>, signed: u64) -> SignOfLife {
        let signals = signals(&[Signal::SIGUSR2]).unwrap();
        SignOfLife { signals, began: Instant::now(), period, signed: AtomicU64::new(signed) }
    }

    #[test]
    fn signs_three_times_in_the_time_that_the_manager_waits() {
        assert_eq!(period(Some("300000000")), Some(Duration::from_secs(100)));
        for none in [None, Some(""), Some("0"), Some("2"), Some("-3"), Some("soon")] {
            assert_eq!(period(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_start_is_told_of_whether_or_not_signs_are_waited_for() {
        for period in [None, Some(Duration::from_secs(100))] {
            assert!(pulse(period, 0).until_sign().is_some_and(|left| left <= STARTED), "{period:?}");
        }
        assert_eq!(pulse(None, 1).until_sign(), None);
        assert!(pulse(Some(Duration::from_secs(100)), 1).until_sign().is_some_and(|left| left > STARTED));
    }
}
