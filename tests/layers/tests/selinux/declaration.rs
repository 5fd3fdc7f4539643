//! One declaration: each domain and its program's policy, both ways.

use std::collections::BTreeSet;

use waagent_declaration::{COMMON_READS, Declaration, READ_BEFORE};
use waagent_layers::{Ledger, declarations, none, tables};

use super::facts::{KINDS, Kind, Words};
use super::linked::{COMMON, Linked, Rule};
use super::types::ANY;
use super::{DOMAINS, linked};

/// What the domain has beyond every daemon and beyond what all ours share; and of what is declared also what those have.
pub fn granted(
    linked: &Linked,
    kind: &Kind,
    domain: &str,
    (own, all): (&BTreeSet<Rule>, &BTreeSet<Rule>),
    declared: &Words,
) -> Words {
    let shared = (kind.granted)(linked, domain, all);
    (kind.granted)(linked, domain, own).into_iter().chain(shared.intersection(declared).cloned()).collect()
}

fn wrong(linked: &Linked, kind: &Kind, of: &Declaration, ledger: &mut Ledger) -> Vec<String> {
    let domain = of.selinux.as_str();
    let declared = (kind.declared)(linked, of);
    let rules = (&linked.own(domain), &linked.all(domain));
    ledger.compare(domain, kind.name, &declared, &granted(linked, kind, domain, rules, &declared))
}

/// What all our domains share is what all programs declare.
fn shared(linked: &Linked, ledger: &mut Ledger) -> Vec<String> {
    let paths = COMMON_READS.iter().chain(READ_BEFORE).map(|grant| grant.what);
    let read = linked.types_of(paths.filter(|path| !path.starts_with("/dev/")), ANY);
    let rules = (&linked.own(COMMON), &linked.all(COMMON));
    let mut wrong = Vec::new();
    for kind in KINDS {
        let declared = if kind.name == "reads" { read.clone() } else { Words::new() };
        let granted = granted(linked, kind, COMMON, rules, &declared);
        wrong.extend(ledger.compare("waagent_domain", kind.name, &declared, &granted));
    }
    wrong
}

#[test]
#[ignore = "needs the guest's base: tests/run runs it once that is there"]
fn each_domain_grants_what_its_program_declares_and_nothing_else() {
    let Some(linked) = linked() else { return };
    let mut ledger = Ledger::new(tables());
    let declarations = declarations();
    let domains: BTreeSet<&str> = declarations.iter().map(|it| it.selinux.as_str()).collect();
    assert_eq!(domains, DOMAINS.into_iter().collect());
    let mut found = Vec::new();
    for declaration in &declarations {
        assert_eq!(declaration.selinux, format!("{}_t", declaration.program.replace('-', "_")));
        found.extend(KINDS.iter().flat_map(|kind| wrong(linked, kind, declaration, &mut ledger)));
    }
    found.extend(shared(linked, &mut ledger));
    found.extend(super::borders::others(linked, &mut ledger));
    none(&found);
    none(&ledger.surplus(|subject| subject.starts_with("waagent_") || subject == "others"));
}
