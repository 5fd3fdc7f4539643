//! Killed anywhere, the rerun reaches the same end, and no command ran twice.

use std::fs;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use waagent_common::documents::{CommandResult, CommandState, Document};

use crate::stage::{GOOD, Handler, Stage, text};

const NAME: &str = "Test.Good";

fn begun(script: &str) -> Stage {
    let stage = Stage::new();
    let handler = Handler::new(NAME, script);
    stage.offer(&handler);
    stage.goal(1, vec![handler.extension()]);
    stage
}

fn kill_and_wait(mut child: Child) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
}

/// Waits for a file without a clock of its own: by a pipe that the handler opens.
fn fifo(stage: &Stage) -> std::path::PathBuf {
    let path = stage.root.state_path("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path
}

#[test]
fn the_planner_may_be_killed_between_any_two_of_its_system_calls() {
    // Each run is allowed a little more CPU work before it is killed: by the number of its writes to the tree.
    for rounds in 1..12 {
        let stage = begun(GOOD);
        for _ in 0..rounds {
            let child = stage.planner().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            kill_and_wait(child);
        }
        stage.settle();
        assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n", "{rounds}");
        assert_eq!(stage.handler(NAME)["status"], "Ready");
        let left = fs::read_dir(stage.root.state_path(""))
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
            .count();
        assert_eq!(left, 0);
    }
}

#[test]
fn half_done_steps_are_thrown_away_and_done_again() {
    let stage = begun(GOOD);
    // As killed while unpacking, and between the rename and its record.
    fs::create_dir_all(stage.root.state_path(".Test.Good-1.0.0.unpack/bin")).unwrap();
    fs::create_dir_all(stage.root.state_path("Test.Good-1.0.0/bin")).unwrap();
    fs::create_dir_all(stage.root.state_path(".Test.Old-1.0.trash-0/x")).unwrap();
    stage.settle();
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n");
    for gone in [".Test.Good-1.0.0.unpack", ".Test.Old-1.0.trash-0"] {
        assert!(!stage.root.state_path(gone).exists(), "{gone}");
    }
}

#[test]
fn killed_between_the_record_and_the_commands_document_plans_the_step_again() {
    let stage = begun(GOOD);
    stage.plan();
    let id = stage.waiting().remove(0);
    fs::remove_file(stage.root.state_path(format!("ext/commands/{id}.json"))).unwrap();
    stage.settle();
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n");
}

#[test]
fn a_runner_that_is_killed_leaves_an_interrupted_command_that_is_a_failure() {
    let script = "#!/bin/sh\necho run >> ../operations\necho $$ > ../pid\necho > ../fifo\nexec sleep 1000\n";
    let stage = begun(script);
    let fifo = fifo(&stage);
    stage.plan();
    let id = stage.waiting().remove(0);
    let runner = stage.runner(&[&id]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    fs::read(&fifo).unwrap();
    let result = || -> CommandResult {
        Document::read_at(&stage.root, &stage.root.state_path(format!("ext/results/{id}.result.json")))
            .unwrap()
            .body
    };
    assert_eq!(result().state, CommandState::Started);
    // At work: the planner waits, and starts nothing else.
    assert!(text(&stage.plan()).contains(&format!("command {id} waits")));
    kill_and_wait(runner);
    let ended = || text(&stage.runner(&["--ended", &id]).output().unwrap());
    assert!(ended().contains("was interrupted"));
    assert!(ended().contains("has its result"));
    assert_eq!(result().state, CommandState::Interrupted);
    stage.settle();
    assert_eq!(stage.handler(NAME)["code"], 1007);
    assert!(stage.handler(NAME)["formattedMessage"]["message"].as_str().unwrap().contains("interrupted"));
    assert_eq!(stage.operations(), "run\n");
    // What the killed runner left is the handler's own, and lives on.
    let left: i32 = fs::read_to_string(stage.root.state_path("pid")).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(left), Signal::SIGKILL).unwrap();
}

#[test]
fn a_command_that_a_reboot_broke_off_runs_again_under_a_new_id() {
    let stage = begun(GOOD);
    stage.plan();
    let id = stage.waiting().remove(0);
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for document in ["ext/state.json".to_owned(), format!("ext/commands/{id}.json")] {
        let path = stage.root.state_path(document);
        let other = fs::read_to_string(&path).unwrap().replace(boot.trim(), "another-boot");
        fs::write(path, other).unwrap();
    }
    stage.plan();
    assert_eq!(stage.handler(NAME)["status"], "Installing");
    let next = stage.waiting();
    assert!(next.len() == 2 && next.contains(&id), "{next:?}");
    stage.settle();
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n");
    assert_eq!(stage.handler(NAME)["status"], "Ready");
}

#[test]
fn a_damaged_state_is_put_aside_and_the_folders_speak() {
    let stage = begun(GOOD);
    stage.settle();
    fs::write(stage.root.state_path("ext/state.json"), "{").unwrap();
    let output = stage.planner().output().unwrap();
    assert!(output.status.success() && text(&output).contains("state.json"), "{}", text(&output));
    assert!(stage.root.state_path("ext/state.json.bad").exists());
    stage.run_waiting();
    stage.settle();
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\nenable 0 1.0.0\n");
}

#[test]
fn a_new_goal_state_takes_over_at_once_and_the_running_command_ends_first() {
    let stage = begun(GOOD);
    stage.plan();
    let id = stage.waiting().remove(0);
    let handler = Handler::new(NAME, GOOD);
    let mut extension = handler.extension();
    extension.settings[0].sequence_number = 5;
    stage.goal(2, vec![extension]);
    stage.plan();
    assert_eq!(stage.waiting(), [id]);
    assert_eq!(stage.status().goal_state_id.as_deref(), Some("incarnation_2"));
    assert!(!stage.status().complete);
    stage.settle();
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 5 1.0.0\n");
    assert_eq!(stage.handler(NAME)["runtimeSettingsStatus"]["sequenceNumber"], 5);
}

#[test]
fn a_handler_that_deletes_its_own_folder_is_installed_anew() {
    let stage = begun(GOOD);
    stage.settle();
    fs::remove_dir_all(stage.root.state_path("Test.Good-1.0.0")).unwrap();
    let handler = Handler::new(NAME, GOOD);
    stage.goal(2, vec![handler.extension()]);
    stage.settle();
    assert!(stage.operations().ends_with("install 0 1.0.0\nenable 0 1.0.0\n"), "{}", stage.operations());
    assert_eq!(stage.handler(NAME)["status"], "Ready");
}
