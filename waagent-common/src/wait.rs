//! Waiting for descriptors, by poll(2).

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollTimeout, poll};

/// Waits until one of them is ready, or the time is up: then it says no. Without a limit it waits for ever.
///
/// A process that is stopped and continued hears EINTR without any handler, see signal(7): what is left of the time is
/// waited for.
pub fn ready(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> nix::Result<bool> {
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        match poll(fds, left.map_or(PollTimeout::NONE, rounded_up)) {
            Ok(0) | Err(Errno::EINTR) if end.is_some_and(|end| Instant::now() >= end) => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

/// In whole milliseconds, which is all that poll(2) knows: a wait that ended early would be begun again at once.
fn rounded_up(left: Duration) -> PollTimeout {
    let whole = Duration::from_nanos(999_999).saturating_add(left);
    PollTimeout::try_from(whole).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use nix::poll::PollFlags;

    use super::*;

    #[test]
    fn ends_when_there_is_something_and_never_before_the_time_is_up() {
        let (one, mut other) = UnixStream::pair().unwrap();
        let mut fds = [PollFd::new(one.as_fd(), PollFlags::POLLIN)];
        for limit in [Duration::ZERO, Duration::from_micros(1), Duration::from_micros(2500)] {
            let begun = Instant::now();
            assert_eq!(ready(&mut fds, Some(limit)), Ok(false));
            assert!(begun.elapsed() >= limit);
        }
        other.write_all(b"x").unwrap();
        for limit in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
            assert_eq!(ready(&mut fds, limit), Ok(true));
        }
    }
}
