//! How often the report may be written: at once when it matters, once a second in the long run.

use std::time::{Duration, Instant};

/// Reports that may follow each other at once.
const BURST: u32 = 4;
const SECOND: Duration = Duration::from_secs(1);

/// Keeps the pace.
#[derive(Debug)]
pub(crate) struct ReportPace {
    left: u32,
    filled: Instant,
    last: Option<Instant>,
}

impl ReportPace {
    /// A fresh one.
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: BURST, filled: now, last: None }
    }

    /// How long a report has to wait. While work goes on, a second after the last; else only when there was a burst.
    pub(crate) fn wait(&mut self, now: Instant, at_work: bool) -> Duration {
        let seconds = now.saturating_duration_since(self.filled).as_secs();
        if seconds > 0 {
            self.left = self.left.saturating_add(u32::try_from(seconds).unwrap_or(BURST)).min(BURST);
            self.filled += Duration::from_secs(seconds);
        }
        let since = self.last.map(|last| now.saturating_duration_since(last));
        match since {
            Some(since) if at_work => SECOND.saturating_sub(since),
            Some(_) if self.left == 0 => SECOND.saturating_sub(now.saturating_duration_since(self.filled)),
            _ => Duration::ZERO,
        }
    }

    /// A report was written.
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.left = self.left.saturating_sub(1);
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_a_burst_through_and_then_one_a_second() {
        let start = Instant::now();
        let mut report_pace = ReportPace::new(start);
        for _ in 0..4 {
            assert_eq!(report_pace.wait(start, false), Duration::ZERO);
            report_pace.wrote(start);
        }
        assert_eq!(report_pace.wait(start, false), SECOND);
        let later = start + Duration::from_millis(1500);
        assert_eq!(report_pace.wait(later, false), Duration::ZERO);
        report_pace.wrote(later);
        assert_eq!(report_pace.wait(later, false), Duration::from_millis(500));
    }

    #[test]
    fn waits_a_second_while_work_goes_on() {
        let start = Instant::now();
        let mut report_pace = ReportPace::new(start);
        assert_eq!(report_pace.wait(start, true), Duration::ZERO);
        report_pace.wrote(start);
        assert_eq!(report_pace.wait(start + Duration::from_millis(300), true), Duration::from_millis(700));
    }
}
