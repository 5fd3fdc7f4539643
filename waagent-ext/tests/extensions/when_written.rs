//! A status counts for what was done when it was written: not before enable has begun, whatever install, update or an
//! earlier goal state wrote under the same number.

use std::fs;

use nix::sys::stat::utimes;
use nix::sys::time::TimeVal;
use serde_json::Value;
use waagent_common::documents::{Body, ExtensionState};

use crate::stage::{GOOD, Handler, Stage};

const NAME: &str = "Test.Early";

/// Says success from every command but enable, which says what `ENABLE` is replaced by.
const EARLY: &str = r#"#!/bin/sh
echo "$1" >> "$PWD/../operations"
[ "$1" != enable ] || { ENABLE; }
echo '[{"status": {"name": "t", "operation": "x", "status": "success", "code": 0}}]' \
    > "status/$ConfigSequenceNumber.status"
"#;

fn handler(enable: &str, version: &str) -> Handler {
    Handler::new(NAME, &EARLY.replace("ENABLE", enable)).version(version)
}

fn ask(stage: &Stage, goal: u32, handler: &Handler, number: u32) {
    stage.offer(handler);
    let mut extension = handler.extension();
    extension.settings[0].sequence_number = number;
    stage.goal(goal, vec![extension]);
}

/// What the platform is told: after each step of the planner, with the number of commands that ran before.
fn told(stage: &Stage) -> Vec<(usize, String, String)> {
    let mut told = Vec::new();
    for _ in 0..20 {
        stage.plan();
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        told.push((
            stage.operations().lines().count(),
            word(stage.handler(NAME)["status"].clone()),
            word(stage.own(NAME)["status"].clone()),
        ));
        if !stage.run_waiting() {
            return told;
        }
    }
    panic!("no end");
}

#[test]
fn a_success_that_install_wrote_isnt_told_before_enable_has_run() {
    let stage = Stage::new();
    ask(&stage, 1, &handler("exit 0", "1.0.0"), 0);
    let told = told(&stage);
    let (last, before) = told.split_last().unwrap();
    assert!(before.iter().all(|(_, status, own)| status != "Ready" && own == "transitioning"), "{told:?}");
    assert_eq!((last.0, last.1.as_str(), last.2.as_str()), (2, "Ready", "success"));
}

#[test]
fn an_update_is_neither_ready_nor_a_success_before_its_enable_has_run() {
    for number in [0, 1] {
        let stage = Stage::new();
        ask(&stage, 1, &handler("exit 0", "1.0.0"), 0);
        stage.settle();
        ask(&stage, 2, &handler("exit 0", "1.1.0"), number);
        let told = told(&stage);
        let (last, before) = told.split_last().unwrap();
        assert_eq!(before.len(), 5, "disable, update, uninstall, install, enable: {told:?}");
        assert!(
            before.iter().all(|(_, status, own)| status != "Ready" && own == "transitioning"),
            "{told:?}"
        );
        assert_eq!((last.1.as_str(), last.2.as_str()), ("Ready", "success"), "{told:?}");
        assert_eq!(stage.handler(NAME)["handlerVersion"], "1.1.0");
    }
}

#[test]
fn an_update_whose_enable_fails_was_never_a_success() {
    let stage = Stage::new();
    ask(&stage, 1, &handler("exit 0", "1.0.0"), 0);
    stage.settle();
    ask(&stage, 2, &handler("exit 9", "1.1.0"), 1);
    let told = told(&stage);
    assert!(told.iter().all(|(_, status, own)| status != "Ready" && own != "success"), "{told:?}");
    assert_eq!(
        (stage.handler(NAME)["code"].clone(), stage.own(NAME)["code"].clone()),
        (1009.into(), 1009.into())
    );
}

#[test]
fn a_number_that_was_used_before_says_nothing_until_enable_speaks() {
    let stage = Stage::new();
    let handler = Handler::new(NAME, GOOD);
    ask(&stage, 1, &handler, 0);
    stage.settle();
    assert_eq!(stage.own(NAME)["status"], "success");
    ask(&stage, 2, &handler, 0);
    stage.plan();
    let own = stage.own(NAME);
    assert_eq!(own["status"], "transitioning", "{own}");
    assert!(own["formattedMessage"]["message"].as_str().unwrap().contains("sequence number 0"), "{own}");
    // What enable says while it is at work counts at once, also a half of it that can't be read yet.
    let file = stage.base(&handler).join("status/0.status");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("done", "half way")).unwrap();
    stage.plan();
    assert_eq!(stage.own(NAME)["formattedMessage"]["message"], "half way");
    fs::write(&file, "[{").unwrap();
    stage.plan();
    assert_eq!(stage.own(NAME)["status"], "transitioning");
    stage.settle();
    assert_eq!(
        (stage.own(NAME)["status"].clone(), stage.handler(NAME)["status"].clone()),
        ("success".into(), "Ready".into())
    );
}

/// An extension that knows its number does nothing, and says nothing new.
#[test]
fn an_enable_that_has_nothing_to_say_leaves_the_old_word_standing() {
    let stage = Stage::new();
    let handler = Handler::new(
        NAME,
        &GOOD.replace("[ \"$1\" = enable ]", "[ \"$1\" = enable ] && [ ! -e status/0.status ]"),
    );
    ask(&stage, 1, &handler, 0);
    stage.settle();
    ask(&stage, 2, &handler, 0);
    let told = told(&stage);
    assert_eq!(told[0].2, "transitioning", "{told:?}");
    assert_eq!(stage.own(NAME)["status"], "success");
}

#[test]
fn a_goal_state_that_isnt_begun_has_no_success_either() {
    let stage = Stage::new();
    let handler = Handler::new(NAME, GOOD);
    ask(&stage, 1, &handler, 0);
    stage.settle();
    stage.goal_with(2, vec![handler.extension()], |goal| goal.on_hold = true);
    stage.settle();
    assert_eq!(stage.own(NAME)["status"], "transitioning");
    stage.goal_with(1, vec![handler.extension()], |goal| goal.outdated = true);
    stage.settle();
    assert_eq!(stage.own(NAME)["status"], "success", "back at what was done");
}

#[test]
fn a_failed_install_isnt_hidden_by_the_success_that_it_wrote() {
    let stage = Stage::new();
    let script = EARLY.replace("ENABLE", "exit 0") + "exit 3\n";
    ask(&stage, 1, &Handler::new(NAME, &script), 0);
    stage.settle();
    assert_eq!(stage.handler(NAME)["code"], 1007);
    assert_eq!(
        (stage.own(NAME)["status"].clone(), stage.own(NAME)["code"].clone()),
        ("error".into(), 1007.into())
    );
    // The twin: its own words about the failure stand.
    ask(&stage, 2, &Handler::new(NAME, &script.replace("success", "error").replace("0}}", "77}}")), 0);
    stage.package_with(
        NAME,
        "1.0.0",
        &Handler::new(NAME, &script.replace("success", "error").replace("0}}", "77}}")).zip(),
        |p| p.attempt = 2,
    );
    stage.settle();
    assert_eq!(stage.own(NAME)["code"], 77);
}

/// The clock may step, and a handler gives its files what times it likes.
#[test]
fn a_file_from_before_enable_says_nothing_whatever_its_time() {
    let ahead = |enable| {
        let script = EARLY.replace("ENABLE", enable);
        Handler::new(NAME, &(script + "touch -d 2099-01-01 \"status/$ConfigSequenceNumber.status\"\n"))
    };
    let stage = Stage::new();
    ask(&stage, 1, &ahead("exit 9"), 0);
    let told_of_failure = told(&stage);
    assert!(
        told_of_failure.iter().all(|(_, status, own)| status != "Ready" && own != "success"),
        "{told_of_failure:?}"
    );
    assert_eq!(stage.own(NAME)["code"], 1009);
    stage.plan();
    assert_eq!(stage.own(NAME)["code"], 1009);
    // The twin: it counts once enable has succeeded.
    let stage = Stage::new();
    ask(&stage, 1, &ahead("exit 0"), 0);
    let told = told(&stage);
    let (last, before) = told.split_last().unwrap();
    assert!(before.iter().all(|(_, status, own)| status != "Ready" && own == "transitioning"), "{told:?}");
    assert_eq!((last.1.as_str(), last.2.as_str()), ("Ready", "success"));
}

#[test]
fn a_file_that_enable_wrote_counts_whatever_its_time() {
    let stage = Stage::new();
    let enable = r#"echo "[{\"status\": {\"status\": \"error\", \"code\": 77}}]" > status/0.status
    touch -d 2001-01-01 status/0.status; exit 9"#;
    let handler = handler(enable, "1.0.0");
    ask(&stage, 1, &handler, 0);
    stage.plan();
    assert!(stage.run_waiting());
    stage.plan();
    assert_eq!(stage.own(NAME)["status"], "transitioning");
    let file = stage.base(&handler).join("status/0.status");
    let success = fs::read_to_string(&file).unwrap();
    fs::write(&file, success.replace("success", "warning")).unwrap();
    let old = TimeVal::new(1_000_000_000, 0);
    utimes(&file, &old, &old).unwrap();
    stage.plan();
    assert_eq!(stage.own(NAME)["status"], "warning", "at once, while enable is at work");
    stage.settle();
    assert_eq!(stage.own(NAME)["code"], 77, "of a failure, too");
    fs::write(&file, success).unwrap();
    utimes(&file, &old, &old).unwrap();
    stage.plan();
    assert_eq!(stage.own(NAME)["status"], "success", "what it says after the failure, too");
}

/// Of a failure that knows a time alone it can't be told what was written after it.
#[test]
fn a_state_of_an_older_version_is_read_and_its_failure_stands() {
    let stage = Stage::new();
    ask(&stage, 1, &handler("exit 9", "1.0.0"), 0);
    stage.settle();
    let path = stage.root.path(ExtensionState::PATH);
    let mut document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let failure = document["body"]["handlers"][0]["failure"].as_object_mut().unwrap();
    failure.remove("status_before");
    failure.insert("since_ms".to_owned(), 1_800_000_000_000_u64.into());
    fs::write(&path, document.to_string()).unwrap();
    stage.plan();
    assert_eq!(stage.own(NAME)["code"], 1009);
    assert_eq!(stage.operations().lines().count(), 2, "nothing was run again");
}
