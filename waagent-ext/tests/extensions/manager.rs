//! The service manager, as far as the planner asks it for a start: one that answers, refuses, or says nothing.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use crate::stage::{GOOD, Handler, Stage, text};

const NAME: &str = "Test.Good";

/// What it does with one call.
#[derive(Clone, Copy)]
enum Manner {
    /// Hangs up without a word: it may have heard.
    Silent,
    Yes,
    No(&'static str),
    /// No, for a reason that passes: an error of this name.
    NotNow(&'static str),
}

/// A stage on which a manager plays for as many calls as there are manners; gives back the units that were asked for.
fn managed(manners: Vec<Manner>) -> (Stage, JoinHandle<Vec<String>>) {
    let stage = Stage::new();
    fs::create_dir_all(stage.root.path("/run/systemd/system")).unwrap();
    let listener = UnixListener::bind(stage.root.path("/run/systemd/private")).unwrap();
    let manager = std::thread::spawn(move || {
        manners.into_iter().map(|manner| play(listener.accept().unwrap().0, manner)).collect()
    });
    let handler = Handler::new(NAME, GOOD);
    stage.offer(&handler);
    stage.goal(1, vec![handler.extension()]);
    (stage, manager)
}

fn play(mut stream: UnixStream, manner: Manner) -> String {
    stream.read_exact(&mut [0; 19]).unwrap();
    stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
    let mut seen = Vec::new();
    while !seen.windows(5).any(|part| part == b"fail\0") {
        let mut piece = [0; 512];
        let length = stream.read(&mut piece).unwrap();
        assert_ne!(length, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&piece[..length]);
    }
    let seen = String::from_utf8_lossy(&seen).into_owned();
    let begin = seen.find("waagent-ext-run@").unwrap();
    let unit = seen[begin..].split('\0').next().unwrap().to_owned();
    match manner {
        Manner::Silent => {}
        Manner::Yes => stream.write_all(&message(2, b"", b"")).unwrap(),
        Manner::No(why) => stream.write_all(&message(3, b"", &string(why))).unwrap(),
        Manner::NotNow(name) => {
            // Header field 4, ERROR_NAME, a string (D-Bus specification, "Header Fields").
            let field = [&[4, 1, b's', 0][..], &string(name)].concat();
            stream.write_all(&message(3, &field, &string("it has a stop job queued"))).unwrap();
        }
    }
    unit
}

fn string(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [&length, text.as_bytes(), b"\0"].concat()
}

fn message(kind: u8, fields: &[u8], body: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_le_bytes();
    let mut message =
        [&[b'l', kind, 1, 1][..], &length(body), &[7, 0, 0, 0], &length(fields), fields].concat();
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend(body);
    message
}

#[test]
fn a_manager_that_said_nothing_is_asked_again_for_the_same_command() {
    let (stage, manager) = managed(vec![Manner::Silent, Manner::Yes]);
    let said = text(&stage.plan());
    assert!(said.contains("no reply") && said.contains("asking again"), "{said}");
    assert_ne!(stage.handler(NAME)["status"], "NotReady", "nobody knows yet");
    stage.plan();
    let asked = manager.join().unwrap();
    let unit = format!("waagent-ext-run@{}.service", stage.waiting().remove(0));
    assert_eq!(asked, [unit.clone(), unit]);
}

/// The record and the document are there, but PID 1 was never asked.
#[test]
fn a_planner_that_was_killed_before_it_asked_asks_later() {
    let (stage, manager) = managed(vec![Manner::Yes]);
    let flag = stage.root.path("/run/systemd/system");
    fs::remove_dir(&flag).unwrap();
    stage.plan();
    let id = stage.waiting().remove(0);
    fs::create_dir(&flag).unwrap();
    stage.plan();
    assert_eq!(manager.join().unwrap(), [format!("waagent-ext-run@{id}.service")]);
}

/// PID 1 heard, and never said so: the command that is at work is neither asked for again nor given up.
#[test]
fn a_command_that_was_begun_is_waited_for_whatever_the_manager_says() {
    let (stage, manager) = managed(vec![Manner::Silent]);
    stage.plan();
    let id = stage.waiting().remove(0);
    let runner = stage.runner(&[&id]).output().unwrap();
    assert!(runner.status.success());
    let path = stage.root.state_path(format!("ext/results/{id}.result.json"));
    let ended = fs::read_to_string(&path).unwrap();
    // As it was before the end.
    let begun = ended.replace("\"exited\"", "\"started\"");
    assert_ne!(begun, ended);
    fs::write(&path, begun).unwrap();
    manager.join().unwrap();
    let said = text(&stage.plan());
    assert!(said.contains(&format!("command {id} waits")) && !said.contains("asking again"), "{said}");
    fs::write(&path, ended).unwrap();
    stage.plan();
    assert_eq!(stage.operations(), "install 0 1.0.0\n", "once");
}

/// While the machine goes down nothing is started: that is no failure of the extension, and the next boot runs it.
#[test]
fn a_start_that_comes_while_the_machine_goes_down_is_no_failure() {
    let (stage, manager) =
        managed(vec![Manner::NotNow("org.freedesktop.systemd1.TransactionIsDestructive"), Manner::Yes]);
    let said = text(&stage.plan());
    assert!(said.contains("stop job queued") && said.contains("asking again"), "{said}");
    assert_ne!(stage.handler(NAME)["status"], "NotReady");
    stage.plan();
    assert_eq!(manager.join().unwrap().len(), 2);
}

#[test]
fn a_refused_start_is_a_failure_that_names_the_managers_reason() {
    let (stage, manager) = managed(vec![Manner::No("Unit is masked.")]);
    stage.plan();
    let asked = manager.join().unwrap().remove(0);
    let entry = stage.handler(NAME);
    assert_eq!(entry["status"], "NotReady");
    let message = entry["formattedMessage"]["message"].as_str().unwrap();
    assert!(message.contains("cannot start command ") && message.contains("Unit is masked."), "{message}");
    // Whoever starts it all the same finds nothing to begin.
    assert!(stage.waiting().is_empty());
    let id = asked.trim_start_matches("waagent-ext-run@").trim_end_matches(".service").to_owned();
    assert!(!stage.runner(&[&id]).output().unwrap().status.success());
    assert_eq!(stage.operations(), "");
}
