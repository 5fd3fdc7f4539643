//! What all connections share: the documents, the counts, and how many connections a second may be opened.

use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::documents::Documents;

/// One for all connections.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) documents: Documents,
    pub(crate) counts: Counts,
    pub(crate) pace: Pace,
}

impl Office {
    pub(crate) fn new(documents: Documents) -> Self {
        Self { documents, counts: Counts::default(), pace: Pace::default() }
    }
}

/// Connections to the platform: each one that this side closes first keeps a local port for a minute (`TCP_TIMEWAIT_LEN`,
/// net/tcp.h), of 28232 (ip_local_port_range, ip(7)). The fetcher makes a few in a minute.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When all that were opened will have had their share of time.
    settled: Option<Instant>,
}

impl Pace {
    /// May one more be opened now? Two seconds' worth at once, then so many a second.
    pub(crate) fn allows(&mut self, now: Instant) -> bool {
        let settled = self.settled.map_or(now, |settled| settled.max(now));
        let is_in_time = settled.saturating_duration_since(now) < Duration::from_secs(2);
        if is_in_time {
            self.settled = Some(settled + Duration::from_secs(1) / PER_SECOND);
        }
        is_in_time
    }
}

/// Connections in a second.
pub const PER_SECOND: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_a_hundred_at_once_and_then_fifty_a_second() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let opens = |pace: &mut Pace, now| (0..1000).filter(|_| pace.allows(now)).count();
        assert_eq!((opens(&mut pace, begun), opens(&mut pace, begun)), (100, 0));
        assert_eq!(opens(&mut pace, begun + Duration::from_secs(1)), 50);
        assert_eq!(opens(&mut pace, begun + Duration::from_secs(60)), 100);
    }
}
