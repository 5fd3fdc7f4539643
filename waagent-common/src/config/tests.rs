//! Each key, each wrong form, hostile files, and the shipped file against the table.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

mod hostile;
mod shipped;
mod values;

/// A root with this `/etc/waagent.conf`.
fn root_with(text: impl AsRef<[u8]>) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/waagent.conf"), text).unwrap();
    root
}

fn load(text: impl AsRef<[u8]>) -> Config {
    Config::load(root_with(text).path(), None).unwrap()
}

fn refusal(root: &Path) -> String {
    Config::load(root, None).unwrap_err().to_string()
}

fn texts(config: &Config) -> String {
    config.warnings().iter().map(|warning| format!("{:?} {warning}\n", warning.severity)).collect()
}

#[test]
fn reads_main_file_then_drop_ins_by_name() {
    let root = root_with("Logs.Verbose=n\nExtensions.GoalStatePeriod=7\nExtensions.MaxPackageMB=400\n");
    let folder = root.path().join("etc/waagent.conf.d");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("20-b.conf"), "Extensions.GoalStatePeriod=9").unwrap();
    fs::write(folder.join("10-a.conf"), "Extensions.GoalStatePeriod=8\nLogs.Verbose=y\n").unwrap();
    fs::write(folder.join("30-c.conf.rpmnew"), "Extensions.GoalStatePeriod=99\n").unwrap();
    fs::write(folder.join(".40.conf"), "Extensions.GoalStatePeriod=99\n").unwrap();
    let config = Config::load(root.path(), None).unwrap();
    assert_eq!(config.integer(IntegerKey::ExtensionsGoalStatePeriod), 9);
    assert!(config.switch(SwitchKey::LogsVerbose));
    assert_eq!(config.integer(IntegerKey::ExtensionsMaxPackageMb), 400);
    let origin = config.origin(Key::Switch(SwitchKey::LogsVerbose));
    assert!(origin.ends_with("etc/waagent.conf.d/10-a.conf:2"), "{origin}");
    assert_eq!(texts(&config), "");
}

#[test]
fn a_missing_or_empty_file_is_replaced_by_the_built_in_one_with_a_warning() {
    let empty = tempfile::tempdir().unwrap();
    for root in [empty, root_with(""), root_with("# only a comment\n\n")] {
        let config = Config::load(root.path(), None).unwrap();
        assert!(texts(&config).contains("is missing or empty, using the built-in configuration"));
        let origin = config.origin(Key::Switch(SwitchKey::OsEnableFirewall));
        assert!(origin.starts_with("built-in waagent.conf:"), "{origin}");
    }
}

#[test]
fn the_vendor_file_is_used_where_etc_is_empty_and_not_where_it_is_not() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("usr/lib/waagent")).unwrap();
    fs::write(root.path().join("usr/lib/waagent/waagent.conf"), "Extensions.GoalStatePeriod=11\n").unwrap();
    let config = Config::load(root.path(), None).unwrap();
    assert_eq!(config.integer(IntegerKey::ExtensionsGoalStatePeriod), 11);
    assert_eq!(texts(&config), "");
    fs::create_dir_all(root.path().join("etc")).unwrap();
    fs::write(root.path().join("etc/waagent.conf"), "Logs.Verbose=y\n").unwrap();
    let config = Config::load(root.path(), None).unwrap();
    assert_eq!(config.integer(IntegerKey::ExtensionsGoalStatePeriod), 6);
}

#[test]
fn an_override_path_is_the_only_file_read() {
    let root = root_with("Logs.Verbose=y\n");
    let other = root.path().join("other file.conf");
    assert!(
        Config::load(root.path(), Some(&other)).unwrap_err().to_string().contains("there is no such file")
    );
    fs::write(&other, "Extensions.GoalStatePeriod=12\n").unwrap();
    let config = Config::load(root.path(), Some(&other)).unwrap();
    assert!(!config.switch(SwitchKey::LogsVerbose));
    assert_eq!(config.integer(IntegerKey::ExtensionsGoalStatePeriod), 12);
}

#[test]
fn the_digest_changes_for_the_programs_that_use_the_key_and_for_no_other() {
    let (before, after) = (load("OS.EnableFirewall=y\n"), load("OS.EnableFirewall=n\n"));
    assert_ne!(before.digest_for("waagent-net"), after.digest_for("waagent-net"));
    assert_eq!(before.digest_for("waagent-net"), before.digest_for("net"));
    assert_eq!(before.digest_for("waagent-certs"), after.digest_for("waagent-certs"));
    assert_eq!(before.digest_for("waagent-certs").len(), 64);
    let (plain, spelled_out) = (load("Logs.Verbose=n\n"), load("Logs.Verbose=N # the default\n"));
    assert_eq!(plain.digest_for("waagent-net"), spelled_out.digest_for("waagent-net"));
}

#[test]
fn shows_values_in_effect_in_the_form_of_the_python_agent() {
    let config = load(
        "OS.EnableFirewall=y\nExtensions.GoalStatePeriod=0\nHttpProxy.Host=proxy:3128\nLib.Dir=/var/lib/waagent/\n",
    );
    let shown = config.show();
    for line in [
        "OS.EnableFirewall = True",
        "OS.EnableFIPS = False",
        "Extensions.GoalStatePeriod = 1",
        "HttpProxy.Host = proxy:3128",
        "HttpProxy.Port = None",
        "Lib.Dir = /var/lib/waagent",
        "Sandbox.Required = True",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no line '{line}' in\n{shown}");
    }
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.is_sorted());
    let of_the_python_agent =
        Key::all().filter(|key| matches!(key.row().status, Status::Used | Status::Ignored(_)));
    assert_eq!(of_the_python_agent.count(), 76);
    assert!(config.show_with_origin().contains("etc/waagent.conf:2"));
    assert_eq!(config.to_json()["HttpProxy.Port"]["origin"], "default");
}

#[test]
fn keys_that_follow_another_key_do_so_until_they_are_set() {
    let config = load("Extensions.GoalStatePeriod=20\nAutoUpdate.Enabled=n\n");
    assert_eq!(config.integer(IntegerKey::ExtensionsInitialGoalStatePeriod), 20);
    assert!(!config.switch(SwitchKey::AutoUpdateUpdateToLatestVersion));
    let config = load("Extensions.GoalStatePeriod=20\nExtensions.InitialGoalStatePeriod=3\n");
    assert_eq!(config.integer(IntegerKey::ExtensionsInitialGoalStatePeriod), 3);
}
