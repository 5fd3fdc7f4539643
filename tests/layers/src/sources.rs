use std::fs;
use std::path::{Path, PathBuf};

use waagent_audit::programs::PROGRAMS;
use waagent_declaration::{Declaration, Tables, Unit};

/// The root of the sources; another copy of them by `LAYERS_OF=`, see tests/mutate.
pub fn repository() -> PathBuf {
    std::env::var_os("LAYERS_OF")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), PathBuf::from)
        .canonicalize()
        .unwrap()
}

/// A file of the sources.
pub fn text(name: &str) -> String {
    let path = repository().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All unit files, by name.
pub fn units() -> Vec<Unit> {
    let mut names: Vec<String> = fs::read_dir(repository().join("systemd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.rsplit('.').next().is_some_and(|ending| KINDS.contains(&ending)))
        .collect();
    names.sort();
    names.iter().map(|name| Unit::parse(name, &text(&format!("systemd/{name}")))).collect()
}

/// Those of these kinds: `service path`.
pub fn kinds(kinds: &str) -> Vec<Unit> {
    let is_one = |unit: &Unit| kinds.split(' ').any(|kind| unit.name.rsplit('.').next() == Some(kind));
    units().into_iter().filter(is_one).collect()
}

/// All services.
pub fn services() -> Vec<Unit> {
    kinds("service")
}

/// One unit, by its name below `systemd`.
pub fn service(name: &str) -> Unit {
    Unit::parse(name, &text(&format!("systemd/{name}")))
}

/// What each program declares that confines itself.
pub fn declarations() -> Vec<Declaration> {
    let policies = PROGRAMS.iter().filter_map(|program| program.policy);
    policies.filter(|policy| !policy.is_unconfined()).map(|policy| Declaration::of(policy).unwrap()).collect()
}

/// Names of all binaries that are installed or that installing needs.
pub fn program_names() -> Vec<String> {
    let mut names: Vec<String> = PROGRAMS.iter().map(|program| program.name.to_owned()).collect();
    names.push("waagent-man".to_owned());
    names
}

/// Where layers differ, and why.
pub fn tables() -> Tables {
    Tables::parse(&text("tests/layers/differences"), &text("tests/layers/relaxations"))
}

const KINDS: &[&str] = &["service", "socket", "path", "timer", "target", "mount", "swap", "slice"];
