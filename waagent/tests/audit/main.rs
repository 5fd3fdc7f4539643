//! `waagent audit`: every kind of difference is found, and an undisturbed machine has none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use machine::Machine;

mod machine;

/// Users, owners and modes take root.
fn machine() -> Option<Machine> {
    waagent_untested::is_root("for users and owners").then(Machine::new)
}

/// It ends with 1, and says what differs with what was expected, what was found, and what to do.
fn differs(machine: &Machine, words: &[&str]) {
    let (code, text) = machine.audit(&[]);
    assert_eq!(code, 1, "{text}");
    for word in words {
        assert!(text.contains(word), "'{word}' isn't in:\n{text}");
    }
    assert!(text.contains("remedy:"), "{text}");
    assert!(text.contains(", 1 not; "), "more than the one difference:\n{text}");
}

#[test]
fn a_machine_as_declared_has_no_difference() {
    let Some(machine) = machine() else { return };
    let (code, text) = machine.audit(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(", 0 not; "), "{text}");
    let row = text.lines().find(|line| line.starts_with("waagent-fetch")).unwrap();
    assert_eq!(row.split_whitespace().filter(|word| *word == "ok").count(), 5, "{text}");
}

#[test]
fn finds_a_capability_that_a_drop_in_adds() {
    let Some(machine) = machine() else { return };
    machine.property("waagent-net.service", "CapabilityBoundingSet", "cap_net_admin cap_sys_admin");
    let path = "/etc/systemd/system/waagent-net.service.d/x.conf";
    machine.property("waagent-net.service", "DropInPaths", path);
    differs(
        &machine,
        &[
            "waagent-net: waagent-net.service CapabilityBoundingSet",
            "found:    CAP_NET_ADMIN CAP_SYS_ADMIN",
            path,
        ],
    );
}

#[test]
fn finds_a_unit_that_runs_as_another_user() {
    let Some(machine) = machine() else { return };
    machine.property("waagent-fetch.service", "User", "root");
    differs(&machine, &["waagent-fetch.service User", "expected: waagent-fetch", "found:    root"]);
}

#[test]
fn finds_hardening_that_a_drop_in_takes_away() {
    let Some(machine) = machine() else { return };
    machine.property("waagent-certs.service", "ProtectSystem", "no");
    differs(&machine, &["waagent-certs.service ProtectSystem", "expected: strict", "found:    no"]);
}

#[test]
fn finds_a_system_call_that_changes_the_kernel() {
    let Some(machine) = machine() else { return };
    machine.property("waagent-ext.service", "SystemCallFilter", "read write mount");
    differs(&machine, &["waagent-ext.service SystemCallFilter", "found:    mount"]);
}

#[test]
fn finds_a_unit_that_another_file_replaces() {
    let Some(machine) = machine() else { return };
    machine.property("waagent-gate.service", "FragmentPath", "/etc/systemd/system/waagent-gate.service");
    differs(&machine, &["waagent-gate.service FragmentPath", "systemctl revert waagent-gate.service"]);
}

#[test]
fn finds_an_installed_file_that_was_changed_and_one_that_is_strange() {
    let Some(machine) = machine() else { return };
    let program = machine.path("usr/libexec/waagent/waagent-media");
    let mut text = fs::read_to_string(&program).unwrap();
    text.push_str("# another byte\n");
    fs::write(&program, text).unwrap();
    differs(
        &machine,
        &["waagent-media: /usr/libexec/waagent/waagent-media", "reinstall the agent's package"],
    );

    let Some(machine) = self::machine() else { return };
    fs::write(machine.path("usr/libexec/waagent/waagent-helper"), "").unwrap();
    differs(&machine, &["/usr/libexec/waagent/waagent-helper", "expected: not in the package"]);
}

#[test]
fn finds_a_folder_a_key_and_a_document_with_another_mode_or_owner() {
    for (path, mode) in [
        ("var/lib/waagent/net", 0o2770),
        ("var/lib/waagent/certs/TransportPrivate.pem", 0o440),
        ("var/lib/waagent/net/endpoint.json", 0o660),
    ] {
        let Some(machine) = machine() else { return };
        fs::set_permissions(machine.path(path), fs::Permissions::from_mode(mode)).unwrap();
        differs(&machine, &[&format!("/{path}"), &format!("found:    {mode:04o} ")]);
    }
    let Some(machine) = machine() else { return };
    chown(machine.path("var/lib/waagent/fetch"), Some(0), None).unwrap();
    differs(&machine, &["waagent-fetch: /var/lib/waagent/fetch", "found:    2750 0:"]);
}

#[test]
fn finds_a_process_of_another_user_group_or_domain_or_with_a_right_too_many() {
    for (field, value, word) in [
        ("Uid", "0\t0\t0\t0", "Uid"),
        ("Groups", "61000 10", "Groups"),
        ("CapEff", "0000000000200000", "CAP_SYS_ADMIN"),
        ("CapAmb", "0000000000001000", "CAP_NET_ADMIN"),
        ("NoNewPrivs", "0", "NoNewPrivs"),
        ("Seccomp", "0", "Seccomp"),
    ] {
        let Some(machine) = machine() else { return };
        machine.process(field, value);
        differs(&machine, &["waagent-fetch: process 77 ", word]);
    }
    let Some(machine) = machine() else { return };
    fs::write(machine.path("proc/77/attr/current"), "system_u:system_r:init_t:s0\0").unwrap();
    differs(&machine, &["process 77 domain", "expected: waagent_fetch_t", "found:    init_t"]);
}

#[test]
fn finds_a_document_that_was_written_below_the_declaration() {
    for (from, to) in [
        ("enforced, ABI 6", "not supported by this kernel"),
        ("\"no_new_privs\": true", "\"no_new_privs\": false"),
        ("\"capabilities\": []", "\"capabilities\": [\"CAP_SYS_ADMIN\"]"),
        ("waagent_net_t", "init_t"),
    ] {
        let Some(machine) = machine() else { return };
        let path = machine.path("var/lib/waagent/net/endpoint.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        differs(&machine, &["waagent-net: /var/lib/waagent/net/endpoint.json"]);
    }
}

#[test]
fn finds_that_selinux_does_not_enforce() {
    let Some(machine) = machine() else { return };
    fs::write(machine.path("sys/fs/selinux/enforce"), "0").unwrap();
    differs(&machine, &["waagent: SELinux", "found:    permissive"]);
}

#[test]
fn what_cannot_be_looked_at_is_said_and_is_not_ok() {
    let Some(machine) = machine() else { return };
    fs::remove_dir_all(machine.path("run/systemd")).unwrap();
    fs::remove_dir_all(machine.path("sys/fs/selinux")).unwrap();
    let (code, text) = machine.audit(&[]);
    assert_eq!(code, 0, "{text}");
    for line in ["waagent: units: systemd doesn't run here", "waagent: SELinux: it is off"] {
        assert!(text.contains(line), "{text}");
    }
    let row = text.lines().find(|line| line.starts_with("waagent-net")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["waagent-net", "ok", "-", "?", "ok", "ok", "-"]);
}

#[test]
fn says_the_same_as_json() {
    let Some(machine) = machine() else { return };
    machine.property("waagent-fetch.service", "User", "root");
    let (code, text) = machine.audit(&["--json"]);
    assert_eq!(code, 1);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["differs"], 1);
    let rows = report["findings"].as_array().unwrap();
    let row = rows.iter().find(|row| row["state"] == "differs").unwrap();
    assert_eq!((row["layer"].as_str(), row["found"].as_str()), (Some("unit"), Some("root")));
}

#[test]
fn an_error_is_no_difference() {
    let Some(machine) = machine() else { return };
    fs::remove_dir_all(machine.path("usr/libexec/waagent")).unwrap();
    let (code, text) = machine.audit(&[]);
    assert_eq!((code, text.as_str()), (5, ""));
}
