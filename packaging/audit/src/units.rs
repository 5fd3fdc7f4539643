//! The units, as their files say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// A unit's file.
#[derive(Debug, Clone, Default)]
pub struct Unit {
    /// `waagent-net.service`.
    pub name: String,
    /// Keys and values in order, each with the comment above it.
    lines: Vec<Line>,
}

/// A line of a unit.
#[derive(Debug, Clone)]
struct Line {
    key: String,
    value: String,
    comment: String,
}

impl Unit {
    /// Reads a unit; none of ours has continuation lines.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut unit = Self { name: name.to_owned(), lines: Vec::new() };
        let mut comment = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix('#') {
                comment.push_str(words);
            } else if let Some((key, value)) = line.split_once('=') {
                let comment = std::mem::take(&mut comment).trim().to_owned();
                unit.lines.push(Line { key: key.to_owned(), value: value.to_owned(), comment });
            } else {
                comment.clear();
            }
        }
        unit
    }

    /// The program that it executes.
    pub fn program(&self) -> Option<&str> {
        let command = self.values("ExecStart").next()?;
        command.split(' ').next()?.rsplit('/').next()
    }

    /// All values of a key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |line| line.key == key).map(|line| line.value.as_str())
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

/// All services of a folder, by name.
pub fn services(folder: &Path) -> Result<BTreeMap<String, Unit>> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(folder).with_context(|| format!("cannot list '{}'", folder.display()))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|ending| ending == "service") {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            found.insert(name.clone(), Unit::parse(&name, &text));
        }
    }
    Ok(found)
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
}
