//! A unit, as its file says.

use std::time::Duration;

/// A unit's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// `waagent-net.service`.
    pub name: String,
    /// Keys and values in order, each with the comment above it.
    lines: Vec<Line>,
}

/// A line of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    section: String,
    key: String,
    value: String,
    comment: String,
}

impl Unit {
    /// Reads a unit; none of ours has continuation lines.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut unit = Self { name: name.to_owned(), lines: Vec::new() };
        let (mut section, mut comment) = (String::new(), String::new());
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix('#') {
                comment.push_str(words);
            } else if let Some((key, value)) = line.split_once('=') {
                let comment = std::mem::take(&mut comment).trim().to_owned();
                // White space around the sign is none of either, see systemd.syntax(7).
                let (section, key, value) = (section.clone(), key.trim().to_owned(), value.trim().to_owned());
                unit.lines.push(Line { section, key, value, comment });
            } else {
                comment.clear();
                if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    name.clone_into(&mut section);
                }
            }
        }
        unit
    }

    /// One section of it alone.
    #[must_use]
    pub fn only(mut self, section: &str) -> Self {
        self.lines.retain(|line| line.section == section);
        self
    }

    /// The path of what it executes.
    pub fn executable(&self) -> Option<&str> {
        self.values("ExecStart").next()?.split(' ').next()
    }

    /// The program that it executes.
    pub fn program(&self) -> Option<&str> {
        self.executable()?.rsplit('/').next()
    }

    /// All values of a key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |line| line.key == key).map(|line| line.value.as_str())
    }

    /// All words of all values of a key.
    pub fn words<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(key).flat_map(str::split_whitespace)
    }

    /// The last value of a key, which is the one that counts where a key has one value.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.lines.iter().rev().find(|line| line.key == key).map(|line| line.value.as_str())
    }

    /// The last value of a key as a time, see systemd.time(7); what isn't one in seconds or minutes counts as nothing.
    pub fn time(&self, key: &str) -> Option<Duration> {
        time(self.last(key)?)
    }

    /// All spans of time that a key is given, as a timer may have several; what isn't one is left out.
    pub fn times<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Duration> {
        self.values(key).filter_map(time)
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|line| line.key.as_str())
    }

    /// Does it say anything of a key?
    pub fn has(&self, key: &str) -> bool {
        self.lines.iter().any(|line| line.key == key)
    }

    /// What confines it: key, value, and the reason where it has one. In the order of the file, which is sorted.
    pub fn confinement(&self) -> Vec<(&str, &str, &str)> {
        self.lines
            .iter()
            .filter(|line| CONFINING.iter().any(|prefix| line.key.starts_with(prefix)))
            .map(|line| (line.key.as_str(), line.value.as_str(), line.comment.as_str()))
            .collect()
    }
}

/// How keys that confine begin.
const CONFINING: &[&str] = &[
    "AmbientCapabilities",
    "CPUQuota",
    "CapabilityBoundingSet",
    "Device",
    "Group",
    "IPAddress",
    "Keyring",
    "Limit",
    "Lock",
    "MemoryDeny",
    "MemoryMax",
    "NoNewPrivileges",
    "Private",
    "Proc",
    "Protect",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RemoveIPC",
    "Restrict",
    "SupplementaryGroups",
    "SystemCall",
    "TasksMax",
    "UMask",
    "User",
];

fn time(value: &str) -> Option<Duration> {
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    let scale = match unit {
        "" | "s" => 1,
        "min" => 60,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_reason_above_a_line() {
        let text = "[Service]\nExecStart=/usr/libexec/waagent/x -y\n# Storage\n# and proxies.\nPrivateNetwork=no\nUMask=0077\n";
        let unit = Unit::parse("x.service", text);
        assert_eq!(unit.program(), Some("x"));
        assert_eq!(
            unit.confinement(),
            [("PrivateNetwork", "no", "Storage and proxies."), ("UMask", "0077", "")]
        );
    }

    #[test]
    fn one_section_alone_knows_nothing_of_the_others() {
        let text = "[Unit]\nUser=x\n[Service]\n# no\nExecStart=/usr/libexec/waagent/waagent-net firewall\nUser=a\nUser=b\n\n\
                    RestrictAddressFamilies=AF_INET AF_UNIX\n[Install]\nUser=c\n";
        let unit = Unit::parse("x.service", text).only("Service");
        assert_eq!(unit.executable(), Some("/usr/libexec/waagent/waagent-net"));
        assert_eq!(unit.last("User"), Some("b"));
        assert_eq!(unit.words("RestrictAddressFamilies").collect::<Vec<_>>(), ["AF_INET", "AF_UNIX"]);
        assert_eq!((unit.last("Group"), unit.has("Group")), (None, false));
    }

    #[test]
    fn knows_times_in_seconds_and_minutes() {
        let text = "[Service]\n A = 90 \nB=5s\nC=2min\nD=infinity\nE=\n";
        let unit = Unit::parse("x.service", text);
        let seconds = |key| unit.time(key).map(|time| time.as_secs());
        assert_eq!(
            ["A", "B", "C", "D", "E", "F"].map(seconds),
            [Some(90), Some(5), Some(120), None, None, None]
        );
    }
}
