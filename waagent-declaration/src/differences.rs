//! The declared differences between the layers: the tables that the tests hold them against.

use std::collections::BTreeSet;

/// Where a layer and the declaration differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A unit, or a domain of SELinux.
    pub subject: String,
    /// What of it.
    pub key: String,
    /// What it has, `+` beyond the declaration or `-` less.
    pub what: String,
    /// Why that must be.
    pub why: String,
}

/// Both tables: where layers differ, and where a unit is looser than the others.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Layer and declaration.
    pub differences: Vec<Difference>,
    /// A unit and what all units say.
    pub relaxations: Vec<Difference>,
}

impl Tables {
    /// Reads both tables.
    pub fn parse(differences: &str, relaxations: &str) -> Self {
        Self { differences: self::differences(differences), relaxations: self::relaxations(relaxations) }
    }

    /// The rows whose subject is among these.
    pub fn of<'a>(&'a self, subjects: &'a [&str]) -> impl Iterator<Item = &'a Difference> {
        let all = self.differences.iter().chain(&self.relaxations);
        all.filter(move |row| subjects.contains(&row.subject.as_str()))
    }
}

/// What one list has beyond the other (`+`) and what it lacks of it (`-`), as rows of the table say it.
pub fn compare(declared: &BTreeSet<String>, granted: &BTreeSet<String>) -> Vec<String> {
    let beyond = granted.difference(declared).map(|what| format!("+{what}"));
    let missing = declared.difference(granted).map(|what| format!("-{what}"));
    beyond.chain(missing).collect()
}

fn differences(text: &str) -> Vec<Difference> {
    rows(text)
        .filter_map(|line| {
            let mut fields = line.splitn(4, '|').map(str::to_owned);
            Some(Difference {
                subject: fields.next()?,
                key: fields.next()?,
                what: fields.next()?,
                why: fields.next()?,
            })
        })
        .collect()
}

fn relaxations(text: &str) -> Vec<Difference> {
    rows(text)
        .filter_map(|line| {
            let mut fields = line.splitn(3, '|');
            let (subject, value, why) = (fields.next()?, fields.next()?, fields.next()?);
            let (key, what) = value.split_once('=')?;
            Some(Difference {
                subject: subject.to_owned(),
                key: key.to_owned(),
                what: what.to_owned(),
                why: why.to_owned(),
            })
        })
        .collect()
}

fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_kinds_of_rows() {
        let row =
            differences("# x\n\na.service|ReadWritePaths|+/mnt|a bind; else it looks taken\n").remove(0);
        assert_eq!((row.what.as_str(), row.why.as_str()), ("+/mnt", "a bind; else it looks taken"));
        let row = relaxations("a.service|ProcSubset=all|/proc/swaps\n").remove(0);
        assert_eq!(
            (row.key.as_str(), row.what.as_str(), row.why.as_str()),
            ("ProcSubset", "all", "/proc/swaps")
        );
    }
}
