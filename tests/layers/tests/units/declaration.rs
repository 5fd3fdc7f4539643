//! One declaration: each unit and its program's policy, both ways.

use std::collections::BTreeSet;

use waagent_declaration::{Declaration, Entry, Ports, RIGHTS, Rights, Unit};
use waagent_layers::{Ledger, declarations, none, service, services, tables, text};

use super::calls::Groups;
use super::has_systemd_analyze;

/// Services without a declaration to compare with: the version is printed, a mount is made by mount(8); two are unconfined
/// by promise, see `exposure`.
const WITHOUT: &[&str] = &[
    "waagent.service",
    "waagent-exec-mount.service",
    "waagent-ext-run@.service",
    "waagent-customdata.service",
];
/// What a program needs to confine itself, and what it gives up by that.
const ENTERING: &[&str] =
    &["capset", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp"];

/// Units with the declaration of the program that they execute.
fn pairs() -> Vec<(Unit, Declaration)> {
    let declarations = declarations();
    let pairs: Vec<_> = services()
        .into_iter()
        .filter(|unit| !WITHOUT.contains(&unit.name.as_str()))
        .map(|unit| {
            let program = unit.program().unwrap();
            let declaration = declarations.iter().find(|it| it.program == program);
            let declaration = declaration.unwrap_or_else(|| panic!("{program} declares nothing")).clone();
            (unit, declaration)
        })
        .collect();
    assert!(pairs.len() > 10);
    pairs
}

/// What of the unit isn't what the program declares; the table's rows that explain a difference are noted.
fn wrong(unit: &Unit, declaration: &Declaration, ledger: &mut Ledger) -> Vec<String> {
    let granted = Rights::granted(|key| unit.values(key).collect());
    let differences = Rights::declared(declaration).differences(&granted);
    let mut wrong: Vec<String> =
        differences.iter().filter_map(|(key, what)| ledger.explain(&unit.name, key, what)).collect();
    wrong.extend(unsaid(unit, declaration).into_iter().map(|what| format!("{}: {what}", unit.name)));
    wrong
}

/// All that the comparison has to say, rows that are idle included.
fn said(unit: &Unit, declaration: &Declaration) -> Vec<String> {
    let mut ledger = Ledger::new(tables());
    let mut said = wrong(unit, declaration, &mut ledger);
    said.extend(ledger.surplus(|subject| subject == unit.name));
    said
}

/// Lines without which the lists above would mean something else.
fn unsaid(unit: &Unit, declaration: &Declaration) -> Vec<String> {
    let says = |key: &str, value: &str| unit.last(key) == Some(value);
    let mut wrong = Vec::new();
    for key in ["CapabilityBoundingSet", "RestrictAddressFamilies", "IPAddressDeny", "SystemCallFilter"] {
        if !unit.has(key) {
            wrong.push(format!("no {key}="));
        }
    }
    for (key, value) in [("DevicePolicy", "closed"), ("ProtectSystem", "strict")] {
        if !says(key, value) {
            wrong.push(format!("no {key}={value}"));
        }
    }
    if says("PrivateDevices", "yes") == unit.has("DeviceAllow") {
        wrong.push("PrivateDevices= is 'yes' exactly where no device is declared".to_owned());
    }
    if !network_fits(unit, declaration) {
        wrong.push(format!(
            "PrivateNetwork={:?} doesn't fit the declared families",
            unit.last("PrivateNetwork")
        ));
    }
    if !says("IPAddressDeny", "any") && declaration.connects == Ports::Nowhere {
        wrong.push("IPAddressDeny= isn't 'any'".to_owned());
    }
    wrong
}

/// No network but for who declares one: internet addresses, or the machine's own netlink (which provisioning's tools
/// use for audit messages alone, in any network namespace).
fn network_fits(unit: &Unit, declaration: &Declaration) -> bool {
    let private = unit.last("PrivateNetwork");
    let has_internet = declaration.families.iter().any(|family| family.what.starts_with("AF_INET"));
    match declaration.program.as_str() {
        "waagent-net" => private == Some("no"),
        _ if has_internet && unit.last("RestrictAddressFamilies") != Some("none") => private == Some("no"),
        _ => private == Some("yes"),
    }
}

#[test]
fn each_unit_says_what_its_program_declares() {
    let mut ledger = Ledger::new(tables());
    let wrong: Vec<String> =
        pairs().iter().flat_map(|(unit, declaration)| wrong(unit, declaration, &mut ledger)).collect();
    none(&wrong);
    none(&ledger.surplus(|subject| subject.ends_with(".service")));
}

/// The program's own filter is the exact list; the unit's is the wider one around it, which holds from the first
/// instruction: so every declared call is in it, and every single call that the unit names is declared.
#[test]
fn each_filter_holds_every_declared_call_and_names_no_other() {
    if !has_systemd_analyze() {
        return;
    }
    let (groups, known) = (Groups::default(), Groups::known());
    assert!(known.len() > 300);
    none(&pairs().iter().flat_map(|(unit, it)| calls(unit, it, &groups, &known)).collect::<Vec<_>>());
}

fn calls(unit: &Unit, declaration: &Declaration, groups: &Groups, known: &BTreeSet<String>) -> Vec<String> {
    let name = &unit.name;
    let (declared, allowed) = (declaration.calls(), groups.allowed(unit));
    let mut wrong = Vec::new();
    for call in declared.iter().filter(|call| known.contains(**call) && !allowed.contains(**call)) {
        wrong.push(format!("{name}: the policy declares the call {call}, the filter refuses it"));
    }
    for call in ENTERING.iter().filter(|call| !allowed.contains(**call)) {
        wrong.push(format!("{name}: the filter refuses '{call}', by which the program enters its sandbox"));
    }
    let lists = unit.values("SystemCallFilter").filter(|line| !line.starts_with('~'));
    for call in lists.flat_map(str::split_whitespace).filter(|word| !word.starts_with('@')) {
        if !declared.contains(call) && !ENTERING.contains(&call) {
            wrong.push(format!("{name}: the unit names the call '{call}', the policy doesn't declare it"));
        }
    }
    wrong
}

/// Every word of every line that the comparison reads, taken out of every unit: each is missed.
#[test]
fn each_word_of_each_unit_is_missed() {
    let keys: Vec<&str> =
        RIGHTS.iter().copied().chain(["PrivateNetwork", "DevicePolicy", "ProtectSystem"]).collect();
    let mut tried = 0;
    for (unit, declaration) in pairs() {
        let source = text(&format!("systemd/{}", unit.name));
        for (number, line) in source.lines().enumerate() {
            let Some((key, _)) = line.split_once('=').filter(|(key, _)| keys.contains(key)) else { continue };
            let without: String = source
                .lines()
                .enumerate()
                .filter(|(other, _)| *other != number)
                .map(|(_, line)| format!("{line}\n"))
                .collect();
            let twin = Unit::parse(&unit.name, &without);
            // What every service has that says nothing of its user.
            if line == "User=root" {
                continue;
            }
            let is_empty = line.ends_with('=') && unit.values(key).count() > 1;
            assert!(
                is_empty || !said(&twin, &declaration).is_empty(),
                "{}: nothing misses '{line}'",
                unit.name
            );
            tried += 1;
        }
    }
    assert!(tried > 80, "{tried}");
}

/// Every entry that a program declares and its unit says, taken out of the declaration: each is missed.
#[test]
fn each_entry_of_each_declaration_is_missed() {
    let mut tried = 0;
    for (unit, declaration) in pairs() {
        let lists: [fn(&mut Declaration) -> &mut Vec<Entry>; 4] =
            [|it| &mut it.groups, |it| &mut it.capabilities, |it| &mut it.families, |it| &mut it.writes];
        for list in lists {
            for at in 0..list(&mut declaration.clone()).len() {
                let mut twin = declaration.clone();
                let entry = list(&mut twin).remove(at);
                let granted = Rights::granted(|key| unit.values(key).collect());
                let is_said = RIGHTS.iter().any(|key| granted.of(key).contains(&entry.what.as_str()));
                let is_missed = !said(&unit, &twin).is_empty();
                assert!(is_missed || !is_said, "{}: nothing misses {}", unit.name, entry.what);
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

/// A grant too many in a unit, or one too few, is found.
#[test]
fn a_difference_of_each_kind_is_found() {
    let gate = "waagent-gate.service";
    let declaration = declarations().into_iter().find(|it| it.program == "waagent-gate").unwrap();
    let source = text(&format!("systemd/{gate}"));
    assert!(said(&service(gate), &declaration).is_empty());
    for line in [
        "User=waagent-fetch",
        "Group=root",
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "AmbientCapabilities=CAP_NET_ADMIN",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "RestrictAddressFamilies=AF_INET",
        "PrivateDevices=no",
        "DeviceAllow=/dev/sda rw",
        "ProtectSystem=full",
        "ReadWritePaths=/etc",
        "PrivateNetwork=yes",
        "DevicePolicy=auto",
    ] {
        let key = line.split('=').next().unwrap();
        let others = source.lines().filter(|other| !other.starts_with(&format!("{key}=")));
        let twin: String = others.chain(["[Service]", line]).map(|line| format!("{line}\n")).collect();
        let found = said(&Unit::parse(gate, &twin), &declaration);
        assert!(!found.is_empty(), "nothing finds {line}");
    }
    if has_systemd_analyze() {
        let twin = Unit::parse(gate, "[Service]\nSystemCallFilter=@system-service\n");
        let found = calls(&twin, &declaration, &Groups::default(), &Groups::known());
        assert!(found.iter().any(|line| line.contains("landlock_restrict_self")), "{found:?}");
    }
}
