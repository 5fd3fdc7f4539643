//! A bounded wait for a medium that is late.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use waagent_common::fault::{Exit, Fault};
use waagent_common::place::Place;

use super::args::Named;
use super::find::{Found, Missing, find};

/// How long a first boot waits for a drive with a medium to appear.
const FOR_A_DEVICE: Duration = Duration::from_secs(30);
/// How long it waits in all, for one that doesn't answer.
const FOR_AN_ANSWER: Duration = Duration::from_secs(55);
/// How long between two tries, at most.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);
/// How often a drive that doesn't answer is tried.
const TRIES: u32 = 5;

/// Looks for the medium; on a first boot (`wait`) again each time when `/dev` changes, until the time is up.
pub fn for_medium(place: &Place, named: Option<&Named>, wait: bool) -> Result<Found, Missing> {
    let begin = Instant::now();
    // Watched before the first look: what appears in between is not missed.
    let changes = watch().map_err(Missing::Refused)?;
    let mut tries = 0;
    loop {
        let (missing, until) = match find(place, named) {
            Ok(found) => return Ok(found),
            Err(Missing::Silent(why)) => {
                tries += 1;
                let until = begin + FOR_AN_ANSWER;
                (
                    Missing::Silent(why),
                    if tries < TRIES { until.min(Instant::now() + BETWEEN_TRIES) } else { begin },
                )
            }
            Err(Missing::Nothing(why)) if named.is_none() => (Missing::Nothing(why), begin + FOR_A_DEVICE),
            Err(other) => return Err(other),
        };
        let left = until.saturating_duration_since(Instant::now());
        if !wait || left.is_zero() {
            return Err(missing);
        }
        await_change(&changes, left).map_err(Missing::Refused)?;
    }
}

fn watch() -> Result<Inotify, Fault> {
    let changes = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).and_then(|inotify| {
        inotify.add_watch("/dev", AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ATTRIB).map(|_| inotify)
    });
    changes.map_err(|error| Fault::new(Exit::Os, format!("cannot watch '/dev': {error}")))
}

/// Until a node appears or changes, or the time is up.
fn await_change(changes: &Inotify, left: Duration) -> Result<(), Fault> {
    let mut fds = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        // What changed doesn't matter: everything is looked at again.
        Ok(1..) => changes.read_events().map(|_| ()),
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| Fault::new(Exit::Os, format!("cannot wait for '/dev': {error}")))
}
