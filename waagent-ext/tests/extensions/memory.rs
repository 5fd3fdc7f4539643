//! What is small as bytes and big once it is taken apart: the planner works on with 64 MiB, and only whose input it is
//! can come to grief.

use std::fs;
use std::process::{Command, Output};

use waagent_common::documents::{Body, ExtensionState, GoalState};
use waagent_common::json::JsonText;

use crate::raw_zip::{Raw, archive};
use crate::stage::{GOOD, Handler, MANIFEST, Stage, text};

/// One run of the planner with 64 MiB of data (setrlimit(2), `RLIMIT_DATA`): more memory isn't to be had.
fn frugal(stage: &Stage) -> Output {
    let planner = stage.planner();
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -d 65536 && exec \"$0\" \"$@\""]).arg(planner.get_program());
    limited.args(planner.get_args()).output().unwrap()
}

/// Planner and runner by turns until nothing waits.
fn settle(stage: &Stage) {
    loop {
        let output = frugal(stage);
        assert!(output.status.success(), "{}", text(&output));
        if !stage.run_waiting() {
            return;
        }
    }
}

/// `[[0],[0],...]` of about this many bytes.
fn many_values(bytes: usize) -> String {
    format!("[{}[0]]", "[0],".repeat(bytes / 4 - 2))
}

/// A handler that is there and works, and one whose input is odd.
fn two() -> (Stage, Handler, Handler) {
    let (odd, good) = (Handler::new("Test.Odd", GOOD), Handler::new("Test.Good", GOOD));
    let stage = Stage::new();
    stage.offer(&good);
    stage.goal(1, vec![odd.extension(), good.extension()]);
    (stage, odd, good)
}

fn with_manifest(names: &[String]) -> Vec<u8> {
    let mut entries = vec![Raw::new("HandlerManifest.json", MANIFEST.as_bytes())];
    entries.push(Raw { mode: 0o100_755, ..Raw::new("bin/handler", GOOD.as_bytes()) });
    entries.extend(names.iter().map(|name| Raw::new(name, b"")));
    archive(&entries, None)
}

#[test]
fn a_package_of_many_deep_folders_is_refused_since_each_folder_counts() {
    let (stage, ..) = two();
    let names: Vec<String> = (0..65_000).map(|n| format!("{n}/{}f", "d/".repeat(29))).collect();
    stage.package("Test.Odd", "1.0.0", &with_manifest(&names));
    settle(&stage);
    let odd = stage.handler("Test.Odd");
    assert_eq!(odd["code"], 1005);
    let why = odd["formattedMessage"]["message"].as_str().unwrap();
    assert!(why.contains("entries, folders that none names included, more than the 100000 allowed"), "{why}");
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
}

#[test]
fn a_package_of_many_files_in_one_deep_folder_is_unpacked() {
    let (stage, odd, _) = two();
    let names: Vec<String> = (0..20_000).map(|n| format!("{}f{n}", "folder/".repeat(30))).collect();
    stage.package("Test.Odd", "1.0.0", &with_manifest(&names));
    settle(&stage);
    assert_eq!(stage.handler("Test.Odd")["status"], "Ready");
    let deep = stage.base(&odd).join("folder/".repeat(30));
    assert_eq!(fs::read_dir(deep).unwrap().count(), 20_000);
}

#[test]
fn a_status_file_of_many_values_is_1012_and_one_of_a_long_text_is_shortened() {
    let (stage, odd, _) = two();
    stage.offer(&odd);
    settle(&stage);
    let file = stage.base(&odd).join("status/0.status");
    fs::write(&file, many_values(4 << 20)).unwrap();
    settle(&stage);
    assert_eq!(stage.own("Test.Odd")["code"], 1012);
    assert_eq!(stage.own("Test.Good")["status"], "success");
    let long = "é\\n".repeat(1 << 20);
    let status = format!(
        r#"[{{"status": {{"status": "success", "code": 0, "formattedMessage": {{"lang": "x", "message": "{}"}}}}}}]"#,
        &long[..4_000_000]
    );
    fs::write(&file, status).unwrap();
    settle(&stage);
    let own = stage.own("Test.Odd");
    assert_eq!(own["status"], "success");
    assert!(own["formattedMessage"]["message"].as_str().unwrap().ends_with("[TRUNCATED]"));
}

#[test]
fn a_manifest_of_many_values_is_1003() {
    let (stage, odd, _) = two();
    stage.offer(&odd);
    frugal(&stage);
    stage.run_waiting();
    fs::write(stage.base(&odd).join("HandlerManifest.json"), many_values(1 << 20)).unwrap();
    settle(&stage);
    assert_eq!(stage.handler("Test.Odd")["code"], 1003);
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
}

#[test]
fn settings_of_many_values_reach_their_handler_as_they_are() {
    let stage = Stage::new();
    let handlers: Vec<Handler> =
        ["A", "B", "C"].map(|kind| Handler::new(&format!("Test.{kind}"), GOOD)).into();
    let public = many_values(3_800_000);
    let extensions = handlers.iter().map(|handler| {
        let mut extension = handler.extension();
        extension.settings[0].public_settings = JsonText::try_from(public.clone()).ok();
        extension
    });
    for handler in &handlers {
        stage.offer(handler);
    }
    stage.goal(1, extensions.collect());
    settle(&stage);
    for handler in &handlers {
        assert_eq!(stage.handler(&handler.name)["status"], "Ready");
        let written = fs::read_to_string(stage.base(handler).join("config/0.settings")).unwrap();
        assert!(written.contains(&public.replace(',', ", ")), "{} bytes", written.len());
    }
}

#[test]
fn a_goal_state_of_many_values_is_refused_and_the_one_before_it_holds() {
    let (stage, odd, _) = two();
    stage.offer(&odd);
    settle(&stage);
    let path = stage.root.path(GoalState::PATH);
    let good = fs::read_to_string(&path).unwrap();
    let features = format!("\"required_features\": [{}\"\"]", "\"\",".repeat(3 << 20));
    fs::write(&path, good.replace("\"required_features\": []", &features)).unwrap();
    let output = frugal(&stage);
    assert_eq!(output.status.code(), Some(65), "{}", text(&output));
    assert!(text(&output).contains("more than 32768 values"), "{}", text(&output));
    fs::write(&path, good).unwrap();
    settle(&stage);
    assert_eq!(stage.handler("Test.Odd")["status"], "Ready");
}

/// Goal states that were never finished leave their handlers behind.
#[test]
fn a_third_goal_state_of_many_handlers_is_worked_on_after_two_that_were_not_finished() {
    let stage = Stage::new();
    for number in 1..=3 {
        let named = |n| Handler::new(&format!("Test.Number{number}.H{n}"), GOOD).extension();
        stage.goal(number, (0..256).map(named).collect());
        let output = frugal(&stage);
        assert!(output.status.success(), "{}", text(&output));
    }
    let known = stage.document::<ExtensionState>().handlers;
    assert_eq!(known.len(), 512);
    assert!(known.iter().any(|record| record.name.as_str() == "Test.Number3.H255"));
    assert!(!known.iter().any(|record| record.name.as_str() == "Test.Number1.H0"));
    // The twin: what is there and was forgotten goes when a goal state is finished.
    let good = Handler::new("Test.Good", GOOD);
    stage.offer(&good);
    stage.goal(4, vec![good.extension()]);
    settle(&stage);
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
    assert_eq!(stage.document::<ExtensionState>().handlers.len(), 1);
}

#[test]
fn more_left_over_folders_than_can_be_named_stop_nothing() {
    let stage = Stage::new();
    let good = Handler::new("Test.Good", GOOD);
    for tree in 0..60 {
        let deep = stage.root.state_path(format!(".Test.Old-1.0.trash-{tree}")).join("d/".repeat(257));
        for leaf in 0..20 {
            fs::create_dir_all(deep.join(leaf.to_string())).unwrap();
        }
    }
    stage.offer(&good);
    stage.goal(1, vec![good.extension()]);
    settle(&stage);
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
    assert_eq!(stage.status().left_over.len(), 256);
}

#[test]
fn five_long_messages_do_not_keep_the_error_of_another_from_being_told() {
    let stage = Stage::new();
    let kinds = ["A", "B", "C", "D", "E", "New"];
    let handlers: Vec<Handler> = kinds.map(|kind| Handler::new(&format!("Test.{kind}"), GOOD)).into();
    for handler in &handlers {
        stage.offer(handler);
    }
    stage.goal(1, handlers.iter().map(Handler::extension).collect());
    settle(&stage);
    let status = |word: &str, text: &str| {
        format!(
            r#"[{{"status": {{"status": "{word}", "code": 5, "formattedMessage": {{"lang": "x", "message": "{text}"}}}}}}]"#
        )
    };
    for handler in &handlers[..5] {
        let file = stage.base(handler).join("status/0.status");
        fs::write(file, status("success", &"\\n".repeat(65_000))).unwrap();
    }
    fs::write(stage.base(&handlers[5]).join("status/0.status"), status("error", "it broke")).unwrap();
    settle(&stage);
    assert_eq!(stage.own("Test.New")["formattedMessage"]["message"], "it broke");
}
