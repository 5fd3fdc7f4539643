//! What a declaration and a unit both say, in the words of the unit: one form of it, and one comparison.

use std::collections::{BTreeMap, BTreeSet};

use crate::declaration::{Account, Declaration, Entry};
use crate::differences::compare;

/// Users, groups, capabilities, sockets, devices and writable paths, by the keys that units have for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights(BTreeMap<&'static str, BTreeSet<String>>);

/// The keys of [`Rights`]. Their values are lists of words, but for `DeviceAllow=`, of which each value is one entry.
pub const RIGHTS: &[&str] = &[
    "User",
    "SupplementaryGroups",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "RestrictAddressFamilies",
    "DeviceAllow",
    "ReadWritePaths",
];

/// Nodes that `DevicePolicy=closed` lets through without naming them, see systemd.resource-control(5).
const OPEN_NODES: &[&str] =
    &["/dev/full", "/dev/null", "/dev/ptmx", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

impl Rights {
    /// What a declaration asks a unit for.
    pub fn declared(declaration: &Declaration) -> Self {
        let words =
            |entries: &[Entry]| entries.iter().map(|entry| entry.what.clone()).collect::<BTreeSet<_>>();
        let capabilities = words(&declaration.capabilities);
        // An own user gets them as ambient ones; uid 0 has what the bounding set leaves it.
        let ambient = match declaration.runs_as {
            Account::User(_) => capabilities.clone(),
            Account::Root | Account::Caller => BTreeSet::new(),
        };
        let devices = declaration.devices.iter().filter(|node| !OPEN_NODES.contains(&node.what.as_str()));
        Self(BTreeMap::from([
            ("User", BTreeSet::from([declaration.user().to_owned()])),
            ("SupplementaryGroups", words(&declaration.groups)),
            ("CapabilityBoundingSet", capabilities),
            ("AmbientCapabilities", ambient),
            ("RestrictAddressFamilies", words(&declaration.families)),
            ("DeviceAllow", devices.map(|node| format!("{} {}", node.what, node.access.letters())).collect()),
            ("ReadWritePaths", outermost(&words(&declaration.writes))),
        ]))
    }

    /// What a unit gives, by the values that it has for each key: a unit file's, or what the service manager says.
    pub fn granted<'a>(values: impl Fn(&'static str) -> Vec<&'a str>) -> Self {
        let words = |key| values(key).into_iter().flat_map(str::split_whitespace).collect::<Vec<_>>();
        let own = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let capabilities = |key| words(key).iter().map(|name| name.to_uppercase()).collect();
        // The primary group counts, where it isn't the user's own.
        let groups = [words("SupplementaryGroups"), words("Group")].concat();
        let user = words("User").last().map_or("root", |user| user);
        Self(BTreeMap::from([
            ("User", BTreeSet::from([user.to_owned()])),
            ("SupplementaryGroups", own(groups)),
            ("CapabilityBoundingSet", capabilities("CapabilityBoundingSet")),
            ("AmbientCapabilities", capabilities("AmbientCapabilities")),
            (
                "RestrictAddressFamilies",
                own(words("RestrictAddressFamilies").into_iter().filter(|word| *word != "none").collect()),
            ),
            (
                "DeviceAllow",
                own(values("DeviceAllow").into_iter().filter(|value| !value.is_empty()).collect()),
            ),
            (
                "ReadWritePaths",
                words("ReadWritePaths").iter().map(|path| path.trim_start_matches('-').to_owned()).collect(),
            ),
        ]))
    }

    /// The words for a key.
    pub fn of(&self, key: &str) -> Vec<&str> {
        self.0.get(key).into_iter().flatten().map(String::as_str).collect()
    }

    /// What the other grants beyond this declaration (`+`), and what it lacks (`-`), each with its key.
    pub fn differences(&self, granted: &Self) -> Vec<(&'static str, String)> {
        let nothing = BTreeSet::new();
        let of = |rights: &Self, key| rights.0.get(key).unwrap_or(&nothing).clone();
        RIGHTS
            .iter()
            .flat_map(|key| {
                compare(&of(self, key), &of(granted, key)).into_iter().map(move |what| (*key, what))
            })
            .collect()
    }
}

/// A path below another declared one says whose it is (to SELinux, which goes by types); to systemd it is open already.
fn outermost(paths: &BTreeSet<String>) -> BTreeSet<String> {
    let is_below =
        |path: &str, other: &str| path.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'));
    paths.iter().filter(|path| !paths.iter().any(|other| is_below(path, other))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Policy, RunsAs, Unit, device, found, grant};

    const POLICY: Policy = Policy {
        program: "x",
        runs_as: RunsAs::User("x"),
        groups: &[grant("waagent", "test")],
        capabilities: &[grant("CAP_CHOWN", "test")],
        families: &[grant("AF_UNIX", "test")],
        writes: &[grant("/a", "test"), grant("/a/b", "test"), grant("/ab", "test")],
        devices: &[device("/dev/tty", Access::ReadWrite, "test"), found("block-sr", Access::Read, "test")],
        ..Policy::NOTHING
    };
    const UNIT: &str = "[Service]\nUser=x\nSupplementaryGroups=waagent\nCapabilityBoundingSet=CAP_CHOWN\n\
                        AmbientCapabilities=cap_chown\nRestrictAddressFamilies=AF_UNIX\nDeviceAllow=block-sr r\n\
                        ReadWritePaths=/a -/ab\n";

    fn differences(unit: &str) -> Vec<(&'static str, String)> {
        let unit = Unit::parse("x.service", unit);
        let declared = Rights::declared(&Declaration::of(&POLICY).unwrap());
        declared.differences(&Rights::granted(|key| unit.values(key).collect()))
    }

    #[test]
    fn a_unit_that_says_what_its_program_declares_differs_in_nothing() {
        assert_eq!(differences(UNIT), []);
    }

    #[test]
    fn each_line_that_is_missing_is_missed() {
        for line in UNIT.lines().skip(1) {
            let without = UNIT.replace(line, "");
            let key = line.split('=').next().unwrap();
            let found = differences(&without);
            assert!(!found.is_empty() && found.iter().all(|(found, _)| *found == key), "{line}: {found:?}");
        }
    }

    #[test]
    fn whatever_is_granted_beyond_is_found() {
        for (line, expected) in [
            ("User=y", ("User", "+y")),
            ("Group=disk", ("SupplementaryGroups", "+disk")),
            ("CapabilityBoundingSet=CAP_BPF", ("CapabilityBoundingSet", "+CAP_BPF")),
            ("RestrictAddressFamilies=AF_PACKET", ("RestrictAddressFamilies", "+AF_PACKET")),
            ("DeviceAllow=block-sr rw", ("DeviceAllow", "+block-sr rw")),
            ("ReadWritePaths=/etc", ("ReadWritePaths", "+/etc")),
        ] {
            let found = differences(&format!("{UNIT}{line}\n"));
            assert!(found.contains(&(expected.0, expected.1.to_owned())), "{line}: {found:?}");
        }
    }
}
