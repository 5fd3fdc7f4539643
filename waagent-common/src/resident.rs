//! Long work shows the service manager that it lives, and ends when it is asked to: a request that isn't heard for
//! `TimeoutStopSec=` becomes a SIGKILL, which would look as if the input had ended us.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::notify::notify;

/// So often long work gives a sign of life.
const SIGN: Duration = Duration::from_secs(20);

/// Of the process, as its signals are.
static PULSE: OnceLock<Pulse> = OnceLock::new();

struct Pulse {
    signals: SignalFd,
    began: Instant,
    /// When the last sign was given, in seconds after the begin; 0: none yet.
    signed: AtomicU64,
}

/// From here on SIGTERM and SIGINT end the program where it looks, and nowhere else.
pub fn begin() -> Result<()> {
    let mut ends = SigSet::empty();
    ends.add(Signal::SIGTERM);
    ends.add(Signal::SIGINT);
    ends.thread_block().context("cannot block signals")?;
    let signals =
        SignalFd::with_flags(&ends, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).context("signalfd")?;
    let _once = PULSE.set(Pulse { signals, began: Instant::now(), signed: AtomicU64::new(0) });
    Ok(())
}

/// To be called in every loop over foreign bytes or names. Is this program asked to end? What is half done then is thrown away.
pub fn must_end() -> bool {
    let Some(pulse) = PULSE.get() else { return false };
    let since = pulse.began.elapsed().as_secs().saturating_sub(pulse.signed.load(Ordering::Relaxed));
    if since >= SIGN.as_secs() {
        sign();
    }
    // Looked at, not read: whoever looks next hears the same.
    let mut asked = [PollFd::new(pulse.signals.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|asked| asked > 0)
}

/// Tells the service manager that this program is at work; the first time, that it has started.
pub fn sign() {
    let Some(pulse) = PULSE.get() else { return };
    let now = pulse.began.elapsed().as_secs().max(1);
    let first = pulse.signed.swap(now, Ordering::Relaxed) == 0;
    notify(if first { "READY=1" } else { "WATCHDOG=1" });
}

/// Readable when this program is asked to end.
pub fn asked() -> Option<BorrowedFd<'static>> {
    PULSE.get().map(|pulse| pulse.signals.as_fd())
}
