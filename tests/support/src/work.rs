use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// What this thread has computed so far: a bound on work that holds on a busy machine too.
pub fn computed() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}
