//! What has passed and what was refused since the start: for `waagent status`, which asks as root.

use std::fmt;

use nix::sys::socket::UnixCredentials;
use waagent_common::log;
use waagent_common::text::counted;

use crate::refusal::Refusal;

/// Numbers, and the last reason. What repeats is logged the first, the tenth, the hundredth time ...: nobody can fill the
/// log.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    passed: usize,
    refused: usize,
    last: Option<Refusal>,
    strangers: usize,
    failed: usize,
}

impl Counts {
    /// One more request that passed.
    pub(crate) fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// One more that was refused.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        if let Some(count) = one_more(&mut self.refused) {
            log::warning(&format!("refused a request: {refusal}; {count} so far"));
        }
        self.last = Some(refusal);
    }

    /// One more who isn't the fetcher.
    pub(crate) fn dismiss(&mut self, who: &UnixCredentials) {
        if let Some(count) = one_more(&mut self.strangers) {
            let (uid, pid) = (who.uid(), who.pid());
            log::warning(&format!("uid {uid} (process {pid}) isn't the fetcher, {count} so far, ignoring"));
        }
    }

    /// One more that the gate itself failed to serve.
    pub(crate) fn fail(&mut self, why: &str) {
        if let Some(count) = one_more(&mut self.failed) {
            log::warning(&format!("{why}, {count} such failures so far, answering so"));
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} refused", counted(self.passed, "request"), self.refused)?;
        if let Some(last) = &self.last {
            write!(f, " (the last: {last})")?;
        }
        match self.strangers {
            0 => Ok(()),
            strangers => write!(f, "; {} dismissed", counted(strangers, "stranger")),
        }
    }
}

/// How many there are now, if that is to be told.
fn one_more(count: &mut usize) -> Option<usize> {
    *count = count.saturating_add(1);
    let is_told = count.checked_ilog10().is_some_and(|digits| *count == 10_usize.pow(digits));
    is_told.then_some(*count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_first_the_tenth_the_hundredth() {
        let mut count = 0;
        let told: Vec<usize> = (1..=1000).filter_map(|_| one_more(&mut count)).collect();
        assert_eq!(told, [1, 10, 100, 1000]);
    }

    #[test]
    fn says_all_in_one_line() {
        let mut counts = Counts::default();
        assert_eq!(counts.to_string(), "0 requests passed, 0 refused");
        counts.pass();
        counts.refuse(Refusal::new("no 1"));
        counts.refuse(Refusal::new("no 2"));
        assert_eq!(counts.to_string(), "1 request passed, 2 refused (the last: no 2)");
        let who = UnixCredentials::new();
        counts.dismiss(&who);
        counts.dismiss(&who);
        assert!(counts.to_string().ends_with("; 2 strangers dismissed"));
    }
}
