//! Disabling, removing and replacing versions.

use std::fs;

use waagent_common::documents::ExtensionState;

use crate::stage::{GOOD, Handler, Stage, extension};

const NAME: &str = "Test.Good";

fn installed() -> Stage {
    let stage = Stage::new();
    let handler = Handler::new(NAME, GOOD);
    stage.offer(&handler);
    stage.goal(1, vec![handler.extension()]);
    stage.settle();
    fs::remove_file(stage.root.state_path("operations")).unwrap();
    stage
}

fn message(stage: &Stage) -> String {
    stage.handler(NAME)["formattedMessage"]["message"].as_str().unwrap_or_default().to_owned()
}

fn asked(state: &str, version: &str) -> waagent_common::documents::Extension {
    waagent_common::documents::Extension { state: state.into(), ..extension(NAME, version, Some(1)) }
}

#[test]
fn disables_and_enables_again() {
    let stage = installed();
    stage.goal(2, vec![asked("Disabled", "1.0.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable 1 1.0.0\n");
    assert_eq!(stage.handler(NAME)["status"], "NotReady");
    assert_eq!(message(&stage), "Plugin disabled");
    stage.goal(3, vec![asked("disabled", "1.0.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable 1 1.0.0\n");
    stage.goal(4, vec![asked("enabled", "1.0.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable 1 1.0.0\nenable 1 1.0.0\n");
}

#[test]
fn uninstalls_by_disable_uninstall_and_removal_and_reports_nothing_more() {
    let stage = installed();
    stage.goal(2, vec![asked("uninstall", "1.0.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable 1 1.0.0\nuninstall 1 1.0.0\n");
    assert!(!stage.root.state_path("Test.Good-1.0.0").exists());
    assert!(stage.status().handlers.is_empty());
    assert!(stage.root.path("/var/log/azure/Test.Good/CommandExecution.log").exists());
    let left: Vec<_> = fs::read_dir(stage.root.state_path(""))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .filter(|n| n.to_string_lossy().contains("trash"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_failing_disable_keeps_what_was_to_be_uninstalled() {
    let stage = installed();
    let script = stage.root.state_path("Test.Good-1.0.0/bin/handler");
    fs::write(&script, "#!/bin/sh\nexit 9\n").unwrap();
    stage.goal(2, vec![asked("uninstall", "1.0.0")]);
    stage.settle();
    assert_eq!(stage.handler(NAME)["code"], 1010);
    assert!(stage.root.state_path("Test.Good-1.0.0").exists());
}

#[test]
fn a_handler_that_the_goal_state_no_longer_names_goes_without_a_command() {
    let stage = installed();
    let other = Handler::new("Test.Other", GOOD);
    stage.offer(&other);
    fs::create_dir(stage.root.state_path("Somebody.Elses-1.0")).unwrap();
    stage.goal(2, vec![other.extension()]);
    stage.settle();
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n");
    assert!(!stage.root.state_path("Test.Good-1.0.0").exists());
    assert!(stage.root.state_path("Somebody.Elses-1.0").exists());
    let memory: ExtensionState = stage.document();
    assert_eq!(memory.handlers.len(), 1);
}

fn offer(stage: &Stage, version: &str, change: impl FnOnce(Handler) -> Handler) {
    stage.offer(&change(Handler::new(NAME, GOOD).version(version)));
}

#[test]
fn updates_in_the_order_of_the_contract() {
    let stage = installed();
    fs::write(stage.root.state_path("Test.Good-1.0.0/mrseq"), "0").unwrap();
    offer(&stage, "1.1.0", |handler| handler);
    stage.goal(2, vec![asked("enabled", "1.1.0")]);
    stage.settle();
    assert_eq!(
        stage.operations(),
        "disable 1 1.0.0\nupdate 1 1.1.0\nuninstall 1 1.0.0\ninstall 1 1.1.0\nenable 1 1.1.0\n"
    );
    assert!(!stage.root.state_path("Test.Good-1.0.0").exists());
    assert_eq!(fs::read_to_string(stage.root.state_path("Test.Good-1.1.0/mrseq")).unwrap(), "0");
    assert!(stage.root.state_path("Test.Good-1.1.0/status/0.status").exists());
    assert_eq!(stage.handler(NAME)["handlerVersion"], "1.1.0");
    assert_eq!(stage.handler(NAME)["status"], "Ready");
}

#[test]
fn updates_without_install_and_downgrades() {
    let stage = installed();
    offer(&stage, "1.1.0", |h| {
        h.manifest(r#""rebootAfterInstall""#, r#""updateMode": "UpdateWithoutInstall", "rebootAfterInstall""#)
    });
    stage.goal(2, vec![asked("enabled", "1.1.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable 1 1.0.0\nupdate 1 1.1.0\nuninstall 1 1.0.0\nenable 1 1.1.0\n");
    fs::remove_file(stage.root.state_path("operations")).unwrap();
    offer(&stage, "1.0.0", |handler| handler);
    stage.goal(3, vec![asked("enabled", "1.0.0")]);
    stage.settle();
    // The update command of the newer version does a downgrade.
    assert_eq!(
        stage.operations(),
        "disable 1 1.1.0\nupdate 1 1.1.0\nuninstall 1 1.1.0\ninstall 1 1.0.0\nenable 1 1.0.0\n"
    );
    assert!(!stage.root.state_path("Test.Good-1.1.0").exists());
}

const BAD_DISABLE: &str = "#!/bin/sh\necho $1 >> ../operations\n[ $1 = disable ] && exit 7\nexit 0\n";

#[test]
fn a_failing_disable_of_the_old_version_stops_the_update() {
    let stage = installed();
    fs::write(stage.root.state_path("Test.Good-1.0.0/bin/handler"), BAD_DISABLE).unwrap();
    offer(&stage, "1.1.0", |handler| handler);
    stage.goal(2, vec![asked("enabled", "1.1.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable\n");
    assert_eq!(stage.handler(NAME)["code"], 1008);
    let text = message(&stage);
    assert!(
        text.starts_with("[ExtensionUpdateError] [ExtensionOperationError] Non-zero exit code: 7"),
        "{text}"
    );
    assert!(text.ends_with("; ContinueOnUpdate: False"), "{text}");
    assert!(stage.root.state_path("Test.Good-1.0.0").exists());
    // Back to the old version: enabled again, the new one's folder goes.
    fs::write(stage.root.state_path("Test.Good-1.0.0/bin/handler"), GOOD).unwrap();
    stage.goal(3, vec![asked("enabled", "1.0.0")]);
    stage.settle();
    assert!(stage.operations().ends_with("enable 1 1.0.0\n"));
    assert!(!stage.root.state_path("Test.Good-1.1.0").exists());
    assert_eq!(stage.handler(NAME)["handlerVersion"], "1.0.0");
}

#[test]
fn the_new_version_may_let_failures_of_the_old_one_pass() {
    let stage = installed();
    fs::write(stage.root.state_path("Test.Good-1.0.0/bin/handler"), BAD_DISABLE).unwrap();
    let script = GOOD.replace("echo \"$1", "env | grep -i exit_code >> ../operations; echo \"$1");
    stage.offer(
        &Handler::new(NAME, &script).version("1.1.0").manifest(
            r#""rebootAfterInstall""#,
            r#""continueOnUpdateFailure": "true", "rebootAfterInstall""#,
        ),
    );
    stage.goal(2, vec![asked("enabled", "1.1.0")]);
    stage.settle();
    let operations = stage.operations();
    assert!(
        operations.contains("AZURE_GUEST_AGENT_DISABLE_CMD_EXIT_CODE=7\nupdate 1 1.1.0\n"),
        "{operations}"
    );
    assert!(
        operations.contains("AZURE_GUEST_AGENT_UNINSTALL_CMD_EXIT_CODE=0\ninstall 1 1.1.0\n"),
        "{operations}"
    );
    assert_eq!(stage.handler(NAME)["status"], "Ready");
}

#[test]
fn a_failed_update_keeps_the_old_version_and_is_tried_again_with_the_next_goal_state() {
    let stage = installed();
    let bad = "#!/bin/sh\necho $1 >> ../operations\nexit 3\n";
    stage.offer(&Handler::new(NAME, bad).version("1.1.0"));
    stage.goal(2, vec![asked("enabled", "1.1.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "disable 1 1.0.0\nupdate\n");
    assert_eq!(stage.handler(NAME)["code"], 1008);
    assert!(stage.root.state_path("Test.Good-1.0.0").exists());
    assert_eq!(
        fs::read_to_string(stage.root.state_path("Test.Good-1.1.0/config/HandlerState")).unwrap(),
        "FailedUpgrade"
    );
    offer(&stage, "1.1.0", |handler| handler);
    stage.goal(3, vec![asked("enabled", "1.1.0")]);
    stage.settle();
    assert!(
        stage
            .operations()
            .ends_with("update\nupdate 1 1.1.0\nuninstall 1 1.0.0\ninstall 1 1.1.0\nenable 1 1.1.0\n")
    );
}

#[test]
fn a_version_that_is_kept_disabled_after_an_update_says_nothing_of_the_update() {
    for script in ["#!/bin/sh\nexit 3\n", GOOD] {
        let stage = installed();
        stage.offer(&Handler::new(NAME, script).version("1.1.0"));
        stage.goal(2, vec![asked("enabled", "1.1.0")]);
        // The old version is disabled; the update fails, or its word comes when the next goal state is there.
        stage.plan();
        stage.run_waiting();
        stage.plan();
        stage.goal(3, vec![asked("disabled", "1.0.0")]);
        stage.settle();
        assert_eq!(stage.handler(NAME)["handlerVersion"], "1.0.0");
        assert_eq!(
            (stage.handler(NAME)["status"].clone(), stage.handler(NAME)["code"].clone()),
            ("NotReady".into(), 0.into())
        );
        assert_eq!(message(&stage), "Plugin disabled");
    }
}

#[test]
fn adopts_what_another_agent_installed() {
    let stage = installed();
    fs::remove_file(stage.root.state_path("ext/state.json")).unwrap();
    stage.goal(2, vec![asked("enabled", "1.0.0")]);
    stage.settle();
    assert_eq!(stage.operations(), "enable 1 1.0.0\n");
}

#[test]
fn versions_that_are_numerically_equal_and_names_in_another_case_are_the_same() {
    let stage = installed();
    let mut same = asked("enabled", "1.0.0.0");
    same.name = waagent_common::types::HandlerName::try_from("test.GOOD").unwrap();
    stage.goal(2, vec![same]);
    stage.settle();
    assert_eq!(stage.operations(), "enable 1 1.0.0\n");
    assert!(!stage.root.state_path("test.GOOD-1.0.0.0").exists());
}
