//! What has passed and what was refused since the start: for `waagent status`, which asks as root.

use std::fmt;

use waagent_common::text::counted;

use crate::refusal::Refusal;

/// Numbers, and the last reason.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    passed: usize,
    refused: usize,
    last: Option<Refusal>,
    strangers: usize,
}

impl Counts {
    /// One more request that passed.
    pub(crate) fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// One more that was refused. Is it to be told?
    pub(crate) fn refuse(&mut self, refusal: Refusal) -> bool {
        self.refused = self.refused.saturating_add(1);
        self.last = Some(refusal);
        is_told(self.refused)
    }

    /// One more who isn't the fetcher: how many so far, if that is to be told.
    pub(crate) fn dismiss(&mut self) -> Option<usize> {
        self.strangers = self.strangers.saturating_add(1);
        is_told(self.strangers).then_some(self.strangers)
    }

    /// How many were refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused
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

/// The first, the tenth, the hundredth ...: nobody can fill the log.
fn is_told(count: usize) -> bool {
    count.checked_ilog10().is_some_and(|digits| count == 10_usize.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_first_the_tenth_the_hundredth() {
        let mut counts = Counts::default();
        let told: Vec<usize> =
            (1..=1000).filter(|number| counts.refuse(Refusal::new(format!("no {number}")))).collect();
        assert_eq!(told, [1, 10, 100, 1000]);
        assert_eq!(counts.to_string(), "0 requests passed, 1000 refused (the last: no 1000)");
        counts.pass();
        assert_eq!((counts.dismiss(), counts.dismiss()), (Some(1), None));
        assert!(
            counts.to_string().starts_with("1 request passed")
                && counts.to_string().ends_with("; 2 strangers dismissed")
        );
    }
}
