//! What a service manager makes of the units, as `waagent audit` sees it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use waagent_layers::{declarations, repository, tool};

/// What `waagent audit` said of one state of the units.
struct Look {
    status: String,
    findings: Vec<Value>,
}

impl Look {
    fn read(folder: &Path, name: &str) -> Self {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let status = fs::read_to_string(folder.join(format!("{name}.status"))).unwrap().trim().to_owned();
        Self { status, findings: report["findings"].as_array().unwrap().clone() }
    }

    fn differing(&self) -> BTreeSet<&str> {
        self.findings
            .iter()
            .filter(|it| it["state"] == "differs")
            .filter_map(|it| it["what"].as_str())
            .collect()
    }
}

/// Name of a look, the unit that a drop-in changes, and the key that differs by that.
const DROP_INS: &[(&str, &str, &str)] = &[
    ("capability", "waagent-net.service", "CapabilityBoundingSet"),
    ("user", "waagent-fetch.service", "User"),
    ("hardening", "waagent-certs.service", "ProtectSystem"),
    ("writable", "waagent-ext.service", "ReadWritePaths"),
    ("family", "waagent-gate.service", "RestrictAddressFamilies"),
    ("device", "waagent-media.service", "DeviceAllow"),
    ("address", "waagent-gate.service", "IPAddressAllow"),
    ("call", "waagent-disk.service", "SystemCallFilter"),
    ("command", "waagent-provision.service", "ExecStart"),
];

/// Of all that tmpfiles makes below /var/lib/waagent, whatever owners and modes say. Extensions' own folders are beside.
const WRITES: &[(&str, &[&str])] = &[
    ("waagent-ext.service", &["", "/events", "/ext", "/ext/commands", "/ext/events", "/ext/results"]),
    ("waagent-provision.service", &["", "/events", "/provision", "/provision/events"]),
    ("waagent-provision-late.service", &["", "/events", "/provision", "/provision/events"]),
    ("waagent-disk.service", &["/disk", "/disk/events"]),
];

#[test]
fn units_are_in_force_as_declared_and_each_change_is_found() {
    if !waagent_untested::is_root("for a service manager in name spaces of its own") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let waagent = waagent_support::program("waagent");
    for declaration in declarations() {
        waagent_support::program(&declaration.program);
    }
    let manager = repository().join("tests/layers/manager");
    let binaries = waagent.parent().unwrap().to_str().unwrap();
    let said = tool(&[manager.to_str().unwrap(), scratch.path().to_str().unwrap(), binaries]);
    if !said.is_success {
        return waagent_untested::not_tested(&format!(
            "no manager in name spaces of its own: {}",
            said.all.trim()
        ));
    }
    let installed = Look::read(scratch.path(), "as-installed");
    let of_units: Vec<&Value> = installed.findings.iter().filter(|it| it["layer"] == "unit").collect();
    assert!(of_units.len() > 300 && of_units.iter().all(|it| it["state"] == "ok"), "{of_units:#?}");
    assert_eq!(installed.status, "0");
    for (name, unit, key) in DROP_INS {
        let look = Look::read(scratch.path(), name);
        let expected = format!("{unit} {key}");
        assert_eq!(
            (look.status.as_str(), look.differing()),
            ("1", BTreeSet::from([expected.as_str()])),
            "{name}"
        );
    }
    for (unit, folders) in WRITES {
        let written = fs::read_to_string(scratch.path().join(format!("{unit}.writes"))).unwrap();
        let written: BTreeSet<&str> = written.lines().collect();
        let expected: Vec<String> =
            folders.iter().map(|folder| format!("/var/lib/waagent{folder}")).collect();
        assert_eq!(written, expected.iter().map(String::as_str).collect(), "{unit}");
    }
}
