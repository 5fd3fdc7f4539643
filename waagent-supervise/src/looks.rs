//! Further looks of provisioning, as `waagent-provision-late.timer` has them: what a pass failed at, or waits for without being
//! told, is tried again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use waagent_declaration::Unit;

const TIMER: &str = include_str!("../../systemd/waagent-provision-late.timer");

/// The looks that are still to come.
#[derive(Debug)]
pub struct Looks {
    due: VecDeque<Instant>,
}

impl Looks {
    /// Of a chain that begins now.
    pub fn from(now: Instant) -> Self {
        let mut times: Vec<Duration> =
            Unit::parse("waagent-provision-late.timer", TIMER).times("OnActiveSec").collect();
        times.sort();
        Self { due: times.into_iter().map(|time| now + time).collect() }
    }

    /// Is it time for one? Those that were missed are one.
    pub fn take(&mut self, now: Instant) -> bool {
        let before = self.due.len();
        self.due.retain(|at| *at > now);
        self.due.len() < before
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.front().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_of_the_timer_is_a_look_and_missed_ones_are_one() {
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let mut looks = Looks::from(begin);
        assert_eq!((looks.take(after(14)), looks.next()), (false, Some(after(15))));
        assert!(looks.take(after(15)) && !looks.take(after(59)));
        assert!(looks.take(after(700)) && !looks.take(after(700)));
        assert_eq!(looks.next(), Some(after(1800)));
        assert!(looks.take(after(1800)) && looks.take(after(2160)) && looks.next().is_none());
    }
}
