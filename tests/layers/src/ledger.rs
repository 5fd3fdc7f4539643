use std::collections::BTreeSet;

use waagent_declaration::Tables;

/// The table of differences that must be, and which of its rows were needed.
#[derive(Debug)]
pub struct Ledger {
    tables: Tables,
    used: BTreeSet<(String, String, String)>,
}

impl Ledger {
    pub fn new(tables: Tables) -> Self {
        Self { tables, used: BTreeSet::new() }
    }

    /// Says what is wrong, but for what a row of the table explains. `difference` is `+` or `-` and the thing.
    pub fn explain(&mut self, subject: &str, key: &str, difference: &str) -> Option<String> {
        let is_known = self.tables.differences.iter().any(|row| {
            (row.subject.as_str(), row.key.as_str(), row.what.as_str()) == (subject, key, difference)
        });
        if is_known {
            self.used.insert((subject.to_owned(), key.to_owned(), difference.to_owned()));
            return None;
        }
        let thing = difference.get(1..).unwrap_or_default();
        Some(if difference.starts_with('+') {
            format!("{subject} {key}: grants '{thing}', which isn't declared")
        } else {
            format!("{subject} {key}: '{thing}' is declared and not granted")
        })
    }

    /// Both lists of a subject are the same, but for what the table explains.
    pub fn compare(
        &mut self,
        subject: &str,
        key: &str,
        declared: &BTreeSet<String>,
        granted: &BTreeSet<String>,
    ) -> Vec<String> {
        let differences = waagent_declaration::compare(declared, granted);
        differences.iter().filter_map(|what| self.explain(subject, key, what)).collect()
    }

    /// Rows of these subjects that nothing has used.
    pub fn surplus(&self, is_ours: impl Fn(&str) -> bool) -> Vec<String> {
        self.tables
            .differences
            .iter()
            .filter(|row| is_ours(&row.subject))
            .filter(|row| !self.used.contains(&(row.subject.clone(), row.key.clone(), row.what.clone())))
            .map(|row| format!("not needed any more: {}|{}|{}", row.subject, row.key, row.what))
            .collect()
    }
}
