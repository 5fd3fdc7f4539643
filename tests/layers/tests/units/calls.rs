//! The calls that a unit's filter lets through, as this machine's systemd has its groups.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use waagent_declaration::Unit;
use waagent_layers::tool;

/// Groups of system calls, each asked for once.
#[derive(Debug, Default)]
pub struct Groups(RefCell<BTreeMap<String, BTreeSet<String>>>);

/// systemd lets these through whatever the list says, see systemd.exec(5).
const ALWAYS: &[&str] = &["execve", "exit", "exit_group", "getrlimit", "rt_sigreturn", "sigreturn"];

impl Groups {
    /// A group with all groups in it, or the call itself.
    fn expand(&self, set: &str) -> BTreeSet<String> {
        if !set.starts_with('@') {
            return BTreeSet::from([set.to_owned()]);
        }
        if let Some(known) = self.0.borrow().get(set) {
            return known.clone();
        }
        let said = tool(&["systemd-analyze", "syscall-filter", set]).output;
        let members =
            said.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let all: BTreeSet<String> = members.flat_map(|member| self.expand(member)).collect();
        self.0.borrow_mut().insert(set.to_owned(), all.clone());
        all
    }

    /// Lines add, lines with ~ take away.
    pub fn allowed(&self, unit: &Unit) -> BTreeSet<String> {
        let mut allowed = BTreeSet::new();
        for line in unit.values("SystemCallFilter") {
            let words = line.trim_start_matches('~').split_whitespace();
            let set: BTreeSet<String> = words.flat_map(|word| self.expand(word)).collect();
            if line.starts_with('~') {
                allowed.retain(|call| !set.contains(call));
            } else {
                allowed.extend(set);
            }
        }
        allowed.extend(self.expand("@default"));
        allowed.extend(ALWAYS.iter().map(ToString::to_string));
        allowed
    }

    /// Calls that this systemd knows by name. Others aren't in any of its groups: newer calls, other processors'.
    pub fn known() -> BTreeSet<String> {
        let is_name =
            |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let said = tool(&["systemd-analyze", "syscall-filter"]).output;
        said.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && is_name(line))
            .map(str::to_owned)
            .collect()
    }
}
