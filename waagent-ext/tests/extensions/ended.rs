//! An input that ends the program twice is its own extension's failure, and the others have their turn.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::stage::{GOOD, Handler, Stage, text};

fn killed_at(stage: &Stage, end: &str) {
    assert_eq!(ended_at(stage, end, Signal::SIGKILL).signal(), Some(9));
}

/// Runs the planner, and sends it a signal in the moment in which it has a file open whose path ends so.
fn ended_at(stage: &Stage, end: &str, word: Signal) -> ExitStatus {
    let planner = stage.planner();
    // The shell waits until it is traced, and becomes the planner.
    let mut child = Command::new("/bin/sh")
        .args(["-c", "read go; exec \"$0\" \"$@\""])
        .arg(planner.get_program())
        .args(planner.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    ptrace::seize(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    ptrace::interrupt(pid).unwrap();
    let mut stopped = waitpid(pid, None).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    while !has_open(pid, end) {
        let signal = match stopped {
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => panic!("{end} was never open: {stopped:?}"),
            _ => None,
        };
        ptrace::syscall(pid, signal).unwrap();
        stopped = waitpid(pid, None).unwrap();
    }
    kill(pid, word).unwrap();
    if word != Signal::SIGKILL {
        ptrace::detach(pid, None).unwrap();
    }
    child.wait().unwrap()
}

fn has_open(pid: Pid, end: &str) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|path| path.to_string_lossy().ends_with(end))
}

fn handlers() -> [Handler; 2] {
    ["Test.Odd", "Test.Good"].map(|name| {
        Handler::new(name, GOOD).manifest(r#""reportHeartbeat": false"#, r#""reportHeartbeat": true"#)
    })
}

/// Two extensions that nothing was done for yet; the odd one is the first.
fn asked() -> Stage {
    let stage = Stage::new();
    ask(&stage, 1);
    stage
}

fn ask(stage: &Stage, goal: u32) {
    let handlers = handlers();
    for handler in &handlers {
        stage.package_with(&handler.name, &handler.version, &handler.zip(), |package| package.attempt = goal);
    }
    stage.goal(goal, handlers.iter().map(Handler::extension).collect());
}

fn message(stage: &Stage) -> String {
    let entry = stage.handler("Test.Odd");
    entry["formattedMessage"]["message"].as_str().unwrap_or_default().to_owned()
}

fn is_well(stage: &Stage, name: &str) -> bool {
    stage.handler(name)["status"] == "Ready" && stage.own(name)["status"] == "success"
}

/// What is worked on before the first command: killed twice there, then over for this goal state.
#[test]
fn what_ended_it_twice_is_that_extensions_failure_until_a_new_goal_state() {
    for (end, code, what) in [
        ("fetch/packages/Test.Odd-1.0.0.zip", 1005, "the package Test.Odd-1.0.0 ended waagent-ext 2 times"),
        ("/Test.Odd-1.0.0/config/.tmp-waagent", -1, "the settings for Test.Odd-1.0.0 ended"),
        ("/Test.Odd-1.0.0/HandlerManifest.json", 1003, "HandlerManifest.json of Test.Odd-1.0.0 ended"),
    ] {
        let stage = asked();
        killed_at(&stage, end);
        killed_at(&stage, end);
        stage.settle();
        assert_eq!(stage.handler("Test.Odd")["code"], code, "{end}: {}", message(&stage));
        assert!(message(&stage).contains(what), "{}", message(&stage));
        assert_eq!(stage.own("Test.Odd")["status"], "error");
        assert!(!stage.operations().is_empty() && is_well(&stage, "Test.Good"), "{end}");
        // Not again when only the program starts anew.
        assert!(text(&stage.plan()).contains("nothing to do"));
        ask(&stage, 2);
        stage.settle();
        assert!(is_well(&stage, "Test.Odd") && is_well(&stage, "Test.Good"), "{end}");
    }
}

#[test]
fn a_status_file_that_ended_it_twice_is_an_error_until_the_handler_writes_another() {
    let stage = asked();
    stage.settle();
    let file = stage.root.state_path("Test.Odd-1.0.0/status/0.status");
    let good = fs::read(&file).unwrap();
    killed_at(&stage, "/Test.Odd-1.0.0/status/0.status");
    killed_at(&stage, "/Test.Odd-1.0.0/status/0.status");
    stage.plan();
    let own = stage.own("Test.Odd");
    assert_eq!((&own["status"], &own["code"]), (&"error".into(), &1012.into()), "{own}");
    let said = own["formattedMessage"]["message"].as_str().unwrap();
    assert!(said.starts_with("the status file of Test.Odd-1.0.0 ended waagent-ext 2 times"), "{said}");
    assert!(is_well(&stage, "Test.Good"));
    fs::remove_file(&file).unwrap();
    fs::write(&file, good).unwrap();
    stage.plan();
    assert!(is_well(&stage, "Test.Odd"));
}

#[test]
fn a_heartbeat_that_ended_it_twice_is_no_heartbeat() {
    let stage = asked();
    stage.settle();
    let file = stage.root.state_path("Test.Odd-1.0.0/heartbeat.log");
    let beat = r#"[{"version": 1.0, "heartbeat": {"status": "ready"}}]"#;
    fs::write(&file, beat).unwrap();
    killed_at(&stage, "/heartbeat.log");
    killed_at(&stage, "/heartbeat.log");
    stage.plan();
    assert_eq!(stage.handler("Test.Odd")["status"], "NotReady");
    assert!(
        message(&stage).contains("heartbeat.log of Test.Odd-1.0.0 ended waagent-ext"),
        "{}",
        message(&stage)
    );
    assert!(is_well(&stage, "Test.Good"));
    fs::remove_file(&file).unwrap();
    fs::write(&file, beat).unwrap();
    stage.plan();
    assert_eq!(stage.handler("Test.Odd")["status"], "Ready");
}

#[test]
fn a_goal_state_that_ended_it_twice_is_left_alone_and_the_next_one_isnt() {
    let stage = asked();
    killed_at(&stage, "fetch/goal-state.json");
    killed_at(&stage, "fetch/goal-state.json");
    let said = text(&stage.plan());
    assert!(said.contains("the goal state ended waagent-ext 2 times"), "{said}");
    assert_eq!(stage.operations(), "");
    ask(&stage, 2);
    stage.settle();
    assert!(is_well(&stage, "Test.Odd") && is_well(&stage, "Test.Good"));
}

/// Else whoever stops it in the middle of something long would have it killed, and the package blamed.
#[test]
fn asked_to_end_it_breaks_off_and_blames_nobody() {
    let stage = asked();
    for _ in 0..3 {
        let ended = ended_at(&stage, "fetch/packages/Test.Odd-1.0.0.zip", Signal::SIGTERM);
        assert_eq!(ended.code(), Some(0));
        assert!(
            !stage.root.state_path("ext/begun.json").exists()
                && !stage.root.state_path("Test.Odd-1.0.0").exists()
        );
        let own = stage.handler("Test.Odd");
        assert_eq!((&own["status"], &own["code"]), (&"Installing".into(), &0.into()), "{own}");
    }
    stage.settle();
    assert!(is_well(&stage, "Test.Odd") && is_well(&stage, "Test.Good"));
}

/// Somebody may have killed it for reasons of his own.
#[test]
fn once_is_forgiven_and_a_success_between_is_forgotten() {
    let stage = asked();
    stage.settle();
    for _ in 0..3 {
        killed_at(&stage, "/Test.Odd-1.0.0/status/0.status");
        stage.plan();
        assert!(is_well(&stage, "Test.Odd") && is_well(&stage, "Test.Good"));
    }
    assert!(!stage.root.state_path("ext/begun.json").exists());
}
