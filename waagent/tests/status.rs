//! `waagent status` as root runs it, against documents that others wrote.
#![expect(clippy::unwrap_used, reason = "a test says what it means")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use waagent_common::gate::protocol::{COUNTS, SOCKET};
use waagent_common::root::Root;

/// With 64 MiB of data (setrlimit(2), `RLIMIT_DATA`): more memory isn't to be had.
fn status(root: &Root) -> Output {
    let script = "ulimit -d 65536 && exec \"$0\" status --root \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_waagent")]).arg(root.path("/")).output().unwrap()
}

/// A goal state with one extension, which has this in it.
fn goal_state(root: &Root, member: &str) {
    let document = format!(
        r#"{{"schema": "waagent/goal-state/2", "written_by": "waagent-fetch", "written_at": "2026-01-31T08:00:00Z",
            "inputs": {{}}, "sandbox": {{"uid": 1, "capabilities": [], "bounding": [], "no_new_privs": true,
            "landlock": "", "seccomp": "", "selinux": ""}},
            "body": {{"id": "incarnation_7", "source": "fabric", "created_on": "", "outdated": false,
            "incarnation": "7", "etag": null, "container_id": "", "instance_id": "", "config_name": "",
            "vm_name": null, "tenant_certificate": null, "certificates_sha256": null, "required_features": [],
            "on_hold": false, "agent_families": [], "activity_id": "", "correlation_id": "",
            "svd_sequence_number": 1, "own_instance": null,
            "extensions": [{{"name": "A.B", "version": "1.0", "state": "enabled", "encoded_signature": null,
            "multi_config": false, "error": null, {member}}}]}}}}"#
    );
    fs::create_dir_all(root.state_path("fetch")).unwrap();
    fs::create_dir_all(root.state_path("net")).unwrap();
    fs::write(root.state_path("fetch/goal-state.json"), document).unwrap();
}

/// Settings as large as they may be.
fn settings(name: &str) -> String {
    format!(
        r#"{{"name": "{name}", "sequence_number": 1, "state": "enabled", "dependency_level": 0, "depends_on": [],
            "public_settings": "[{}0]", "protected_settings": null, "protected_settings_thumbprint": null,
            "unreadable": false}}"#,
        "0,".repeat(2_000_000)
    )
}

#[test]
fn a_goal_state_of_many_values_is_named_as_damaged_and_one_of_long_settings_is_shown() {
    let scratch = tempfile::tempdir().unwrap();
    let root = Root::new(scratch.path());
    goal_state(&root, &format!("\"settings\": [{}[0]]", "[0],".repeat(2_800_000)));
    let output = status(&root);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("goal-state.json': more than 32768 values"), "{text}{output:?}");
    assert_eq!(output.status.code(), Some(1));
    goal_state(&root, &format!("\"settings\": [{}, {}]", settings("one"), settings("two")));
    let output = status(&root);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("goal state incarnation_7 (fabric), 1 extension"), "{text}{output:?}");
    assert_eq!(output.status.code(), Some(0));
}

/// Also of units that aren't called after their program, or whose program has no document.
#[test]
fn each_units_failure_is_told_in_its_programs_row() {
    let scratch = tempfile::tempdir().unwrap();
    let root = Root::new(scratch.path());
    fs::create_dir_all(root.state_path("fetch/failed")).unwrap();
    let units =
        ["waagent-net", "waagent-firewall", "waagent-disk-finish", "waagent-gate", "waagent-exec-mount"];
    for unit in units {
        let note = format!(
            r#"{{"schema": "waagent/failed/1", "written_by": "waagent-fetch", "written_at": "2026-01-31T08:00:00Z",
                "inputs": {{}}, "sandbox": {{"uid": 1, "capabilities": [], "bounding": [], "no_new_privs": true,
                "landlock": "", "seccomp": "", "selinux": ""}},
                "body": {{"unit": "{unit}.service", "result": "signal", "exit_code": "killed", "exit_status": "SEGV"}}}}"#
        );
        fs::write(root.state_path(format!("fetch/failed/{unit}.service.json")), note).unwrap();
    }
    let output = status(&root);
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "waagent-net       has not written anything yet",
        "waagent-firewall failed at 2026-01-31T08:00:00Z: signal SEGV",
        "waagent-disk-finish failed at 2026-01-31T08:00:00Z: signal SEGV",
        "waagent-gate ",
        "waagent-exec-mount ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.matches("signal SEGV").count(), units.len(), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_document_of_another_version_is_named_and_nothing_is_shown_of_it() {
    let scratch = tempfile::tempdir().unwrap();
    let root = Root::new(scratch.path());
    goal_state(&root, "\"settings\": []");
    let path = root.state_path("fetch/goal-state.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("goal-state/2", "goal-state/1")).unwrap();
    let output = status(&root);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("schema 'waagent/goal-state/1' isn't 'waagent/goal-state/2'"), "{text}");
    assert!(!text.contains("incarnation_7"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

/// What the gate has refused is the gate's own word, and no document of a fetcher that may be the reason.
#[test]
fn the_gate_is_asked_what_it_has_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let root = Root::new(scratch.path());
    goal_state(&root, "\"settings\": []");
    fs::create_dir_all(root.runtime_path("gate")).unwrap();
    let gate = UnixListener::bind(root.runtime_path(SOCKET)).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut peer, _) = gate.accept().unwrap();
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        peer.write_all(b"5 requests passed, 1 refused (the last: no \x1b[2Jrow)\n").unwrap();
        byte[0]
    });
    let output = status(&root);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(asked.join().unwrap(), COUNTS);
    assert!(text.contains("5 requests passed, 1 refused (the last: no \\u{1b}[2Jrow)"), "{text}");
    assert_eq!(output.status.code(), Some(0));
    // Its socket is there, and nobody behind it.
    let output = status(&root);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("cannot reach the gate on"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}
