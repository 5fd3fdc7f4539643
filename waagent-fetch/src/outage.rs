//! A failure that repeats: said when it begins, after 1, 10 and 60 minutes, then each hour, and once when it ends.

use std::time::Duration;

/// The failures in a row; times are of the monotonic clock.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Outage {
    since: Option<Duration>,
    failures: u32,
    said: u32,
    text: String,
}

impl Outage {
    /// One more failure: what is to be said about it, if anything.
    pub(crate) fn failed(&mut self, now: Duration, text: &str) -> Option<String> {
        let since = *self.since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        let lasts = now.saturating_sub(since);
        let due = match self.said {
            0 => Duration::ZERO,
            1 => Duration::from_secs(60),
            2 => Duration::from_secs(600),
            hours => Duration::from_secs(3600) * (hours - 2),
        };
        let is_another = self.text != text && self.said == 1 && self.failures <= 3;
        if lasts < due && !is_another {
            return None;
        }
        text.clone_into(&mut self.text);
        if lasts >= due {
            self.said += 1;
        }
        if self.failures == 1 {
            return Some(format!("{text}; asking again"));
        }
        Some(format!("{text}; {} times now, for {} s; asking again", self.failures, lasts.as_secs()))
    }

    /// A success: what is to be said, if it is the end of an outage.
    pub(crate) fn ended(&mut self, now: Duration) -> Option<String> {
        let ended = std::mem::take(self);
        let since = ended.since?;
        let lasted = now.saturating_sub(since).as_secs();
        Some(format!("the platform answers again, after {} failures in {lasted} s", ended.failures))
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// For how long.
    pub(crate) fn lasts(&self, now: Duration) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_failures_takes_few_lines() {
        let mut outage = Outage::default();
        let said: Vec<u64> = (0..7200_u64)
            .step_by(6)
            .filter(|second| outage.failed(Duration::from_secs(*second), "goal state: status 500").is_some())
            .collect();
        assert_eq!(said, [0, 60, 600, 3600]);
        let end = outage.ended(Duration::from_secs(7200)).unwrap();
        assert!(end.contains("1200 failures in 7200 s"), "{end}");
        assert_eq!(outage.ended(Duration::from_secs(7201)), None);
    }
}
