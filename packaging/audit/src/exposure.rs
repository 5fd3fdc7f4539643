//! Scores of `systemd-analyze security`, as `packaging/audit/measure` has stored them with the version that measured.

use std::collections::BTreeMap;

/// All scores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exposure {
    /// The systemd that measured.
    pub systemd: String,
    /// Unit and score, e.g. `1.2`.
    pub scores: BTreeMap<String, String>,
}

impl Exposure {
    /// Reads the stored table: `systemd <version>`, then `<unit> <score>` a line.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            match name {
                "#" => {}
                "systemd" => value.clone_into(&mut found.systemd),
                _ => drop(found.scores.insert(name.to_owned(), value.to_owned())),
            }
        }
        found
    }
}

/// The score that a unit must not exceed; none where it is exempt.
pub fn limit(unit: &str) -> Option<&'static str> {
    match unit {
        "waagent-ext-run@.service" | "waagent-customdata.service" => None,
        // Without name spaces of their own, see the comments in them.
        "waagent.service" => Some("3.0"),
        "waagent-exec-mount.service" => Some("3.8"),
        "waagent-gate.service" => Some("2.5"),
        "waagent-transfer.service" => Some("2.3"),
        "waagent-net.service" | "waagent-firewall.service" => Some("2.2"),
        "waagent-fetch.service" => Some("1.4"),
        "waagent-certs.service" | "waagent-failed@.service" | "waagent-media.service" => Some("1.7"),
        _ => Some("2.8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_stored_table() {
        let found = Exposure::parse("# measured\nsystemd 252\na.service 1.2\n");
        assert_eq!(found.systemd, "252");
        assert_eq!(found.scores.get("a.service").map(String::as_str), Some("1.2"));
    }
}
