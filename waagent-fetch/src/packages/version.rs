//! Versions as manifests write them: any number of parts, perhaps a pre-release.

use std::cmp::Ordering;

use waagent_common::types::HandlerVersion;

/// `2.1.13`, `1.0.0.0`, `2.0-beta1`: ordered part by part, missing parts count as 0, a pre-release is below its release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedVersion {
    parts: Vec<u64>,
    stage: Stage,
}

/// How far from a release; in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Alpha(u64),
    Beta(u64),
    Candidate(u64),
    Release,
}

impl ListedVersion {
    /// `^\d+(\.\d+)*([.-]?(alpha|beta|rc)\d*)?$`, at most 8 parts of at most 10 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let letters = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (numbers, tag) = text.split_at_checked(letters)?;
        let stage = stage(tag)?;
        let numbers = match stage {
            Stage::Release => numbers,
            _ => numbers.strip_suffix(['.', '-']).unwrap_or(numbers),
        };
        let parts: Option<Vec<u64>> = numbers.split('.').take(MAX_PARTS + 1).map(number).collect();
        parts.filter(|parts| parts.len() <= MAX_PARTS).map(|parts| Self { parts, stage })
    }

    /// Are the leading parts those of the request? A request for `2.1` takes any `2.1.x`; one for `3.0.0` no `3.0`.
    pub(crate) fn matches(&self, requested: &HandlerVersion) -> bool {
        let mut parts = self.parts.iter();
        requested.as_str().split('.').all(|part| parts.next().copied() == number(part))
    }
}

impl Ord for ListedVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let longest = self.parts.len().max(other.parts.len());
        let padded = |version: &Self| -> Vec<u64> {
            version.parts.iter().copied().chain(std::iter::repeat(0)).take(longest).collect()
        };
        padded(self).cmp(&padded(other)).then(self.stage.cmp(&other.stage))
    }
}

impl PartialOrd for ListedVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn stage(tag: &str) -> Option<Stage> {
    if tag.is_empty() {
        return Some(Stage::Release);
    }
    let digits = tag.find(|c: char| c.is_ascii_digit()).unwrap_or(tag.len());
    let (word, digits) = tag.split_at_checked(digits)?;
    let count = if digits.is_empty() { 0 } else { number(digits)? };
    match word {
        "alpha" => Some(Stage::Alpha(count)),
        "beta" => Some(Stage::Beta(count)),
        "rc" => Some(Stage::Candidate(count)),
        _ => None,
    }
}

const MAX_PARTS: usize = 8;
const MAX_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(text: &str) -> ListedVersion {
        ListedVersion::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn orders_parts_as_numbers_and_pre_releases_below() {
        let ascending =
            ["1.0-alpha2", "1.0.alpha10", "1.0beta", "1.0-rc1", "1.0", "1.0.0.1", "1.9", "1.10", "2.0"];
        for pair in ascending.windows(2) {
            assert!(listed(pair[0]) < listed(pair[1]), "{pair:?}");
        }
        assert_eq!(listed("1.0").cmp(&listed("1.0.0.0")), Ordering::Equal);
    }

    #[test]
    fn matches_what_begins_with_the_request() {
        for (version, requested, matches) in [
            ("2.1.1", "2.1", true),
            ("2.1.1", "2.1.1", true),
            ("2.10", "2.1", false),
            ("3.0", "3.0.0", false),
            ("4.0.0.1", "4.0", true),
            ("4.1.0.0", "4.0", false),
            ("2.0-rc1", "2.0", true),
        ] {
            let requested = HandlerVersion::try_from(requested).unwrap();
            assert_eq!(listed(version).matches(&requested), matches, "{version} {requested}");
        }
    }

    #[test]
    fn takes_nothing_else_for_a_version() {
        for bad in [
            "",
            ".",
            "1.",
            "-1",
            "1..2",
            "1.0-",
            "1.0-gamma",
            "1.0rc-1",
            "99999999999",
            "1 ",
            "１",
            "1.0-rc1.2",
        ] {
            assert_eq!(ListedVersion::parse(bad), None, "{bad}");
        }
        assert_eq!(ListedVersion::parse(&["1"; 9].join(".")), None);
    }
}
