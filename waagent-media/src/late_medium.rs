//! A bounded wait for a medium that is late.

use std::time::{Duration, Instant};

use waagent_common::device_nodes::Changes;

use super::find::Missing;

/// How long a first boot waits for a drive with a medium to appear.
const FOR_A_DEVICE: Duration = Duration::from_secs(30);
/// How long it waits in all, for one that doesn't answer.
const FOR_AN_ANSWER: Duration = Duration::from_secs(55);
/// How long between two tries, at most.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);
/// How often a drive that doesn't answer is tried.
const TRIES: u32 = 5;

/// Looks for the medium; on a first boot (`wait`) again each time when `/dev` changes, until the time is up.
pub fn wait_for<T>(
    look: impl Fn(&Changes) -> Result<T, Missing>,
    is_named: bool,
    wait: bool,
) -> Result<T, Missing> {
    let begin = Instant::now();
    // Watched before the first look: what appears in between is not missed.
    let mut changes = Changes::watch_with_udev().map_err(Missing::Refused)?;
    let mut tries = 0;
    loop {
        let (missing, until) = match look(&changes) {
            Ok(found) => return Ok(found),
            Err(Missing::Silent(why)) => {
                tries += 1;
                let until = begin + FOR_AN_ANSWER;
                (
                    Missing::Silent(why),
                    if tries < TRIES { until.min(Instant::now() + BETWEEN_TRIES) } else { begin },
                )
            }
            Err(Missing::Nothing(why)) if !is_named => (Missing::Nothing(why), begin + FOR_A_DEVICE),
            Err(Missing::Unsettled(why)) if !is_named => (Missing::Unsettled(why), begin + FOR_AN_ANSWER),
            Err(other) => return Err(other),
        };
        let left = until.saturating_duration_since(Instant::now());
        if !wait || left.is_zero() {
            return Err(missing);
        }
        changes.wait(left).map_err(Missing::Refused)?;
    }
}
