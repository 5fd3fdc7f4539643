//! When the status is sent: at once when it changed, each minute when it didn't, later and later when nobody takes it.

use std::time::Duration;

/// The rhythm; times are of the monotonic clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UploadSchedule {
    /// When the last one was sent, and what it said but for its times.
    sent: Option<(Duration, String)>,
    /// Something may have changed since.
    is_doubtful: bool,
    /// There is no place to send it to: nothing happens before a document changes.
    is_resting: bool,
    /// No attempt before.
    not_before: Duration,
    /// Attempts that failed since the last success.
    failures: u32,
}

impl UploadSchedule {
    /// As after a status that was sent at this time, by this program's last run.
    pub(crate) fn resumed(at: Duration, digest: String) -> Self {
        Self { sent: Some((at, digest)), is_doubtful: true, ..Self::default() }
    }

    /// A document changed that the status is made of.
    pub(crate) fn doubt(&mut self) {
        self.is_doubtful = true;
        self.is_resting = false;
    }

    /// There is no place to send it to.
    pub(crate) fn rest(&mut self) {
        self.is_resting = true;
    }

    /// Is it worth making the text?
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now >= self.next()
    }

    /// Is the text worth sending? Where it isn't, nothing is in doubt any more.
    pub(crate) fn wants(&mut self, now: Duration, digest: &str) -> bool {
        let is_news = self.sent.as_ref().is_none_or(|(_, known)| known != digest);
        let is_old = self.sent.as_ref().is_none_or(|(at, _)| now >= *at + UNCHANGED);
        if !is_news {
            self.is_doubtful = false;
        }
        now >= self.not_before && (is_news || is_old)
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Duration {
        if self.is_resting {
            return Duration::MAX;
        }
        let wanted = match &self.sent {
            Some((at, _)) if !self.is_doubtful => *at + UNCHANGED,
            _ => Duration::ZERO,
        };
        wanted.max(self.not_before)
    }

    /// It was taken.
    pub(crate) fn sent(&mut self, now: Duration, digest: String) {
        let recovered = Self { sent: Some((now, digest)), not_before: now + COALESCED, ..Self::default() };
        // What came in between is looked at again.
        *self = Self { is_doubtful: self.is_doubtful, ..recovered };
    }

    /// It begins to be sent: what changes from now on is news.
    pub(crate) fn begins(&mut self) {
        self.is_doubtful = false;
    }

    /// Nobody took it. Gives the number of failures in a row.
    pub(crate) fn failed(&mut self, now: Duration, chance: u32) -> u32 {
        let doubled = FIRST_DELAY * 2_u32.pow(self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + doubled.min(UNCHANGED) * (80 + chance.min(40)) / 100;
        self.is_doubtful = true;
        self.failures
    }
}

/// Between two changes at least: what changes together goes together. In the long run it is waagent-ext that keeps the
/// pace, one report a second.
const COALESCED: Duration = Duration::from_millis(100);
/// Between two that say the same. How long the platform waits before it shows "Not Ready" isn't documented; it is
/// minutes.
const UNCHANGED: Duration = Duration::from_secs(60);
/// After the first failure; doubled up to a minute.
const FIRST_DELAY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn sends_at_once_then_each_minute_and_changes_promptly() {
        let mut rhythm = UploadSchedule::default();
        assert!(rhythm.is_due(at(0)) && rhythm.wants(at(0), "a"));
        rhythm.begins();
        rhythm.sent(at(0), "a".to_owned());
        assert_eq!((rhythm.is_due(at(59)), rhythm.next()), (false, at(60)));
        assert!(rhythm.is_due(at(60)) && rhythm.wants(at(60), "a"));
        rhythm.doubt();
        assert!(rhythm.is_due(at(10)) && rhythm.wants(at(10), "b"));
    }

    #[test]
    fn a_change_that_changes_nothing_sends_nothing() {
        let mut rhythm = UploadSchedule::default();
        rhythm.sent(at(0), "a".to_owned());
        rhythm.doubt();
        assert!(rhythm.is_due(at(5)) && !rhythm.wants(at(5), "a") && !rhythm.is_due(at(6)));
    }

    #[test]
    fn rests_until_a_document_changes() {
        let mut rhythm = UploadSchedule::default();
        rhythm.rest();
        assert!(!rhythm.is_due(at(1_000_000)));
        rhythm.doubt();
        assert!(rhythm.is_due(at(0)));
    }

    #[test]
    fn changes_are_gathered_for_a_moment() {
        let mut rhythm = UploadSchedule::default();
        rhythm.sent(at(10), "a".to_owned());
        rhythm.doubt();
        assert!(!rhythm.is_due(at(10)) && rhythm.is_due(at(10) + COALESCED));
    }

    #[test]
    fn a_change_while_it_is_sent_is_not_lost() {
        let mut rhythm = UploadSchedule::default();
        rhythm.begins();
        rhythm.doubt();
        rhythm.sent(at(3), "a".to_owned());
        assert!(rhythm.is_due(at(4)));
    }

    #[test]
    fn failures_come_less_and_less_often_up_to_a_minute() {
        let mut rhythm = UploadSchedule::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            rhythm.failed(at(100), 20);
            waits.push(rhythm.next().as_secs() - 100);
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        rhythm.sent(at(200), "a".to_owned());
        assert_eq!(rhythm.failed(at(300), 20), 1);
    }

    #[test]
    fn a_restart_sends_nothing_that_is_known_and_fresh() {
        let mut rhythm = UploadSchedule::resumed(at(100), "a".to_owned());
        assert!(rhythm.is_due(at(110)) && !rhythm.wants(at(110), "a"));
        assert_eq!(rhythm.next(), at(160));
        assert!(UploadSchedule::resumed(at(100), "a".to_owned()).wants(at(110), "b"));
    }
}
