//! Commands of handlers, run by the real runner: how they end, and what they find.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use waagent_common::documents::{Command, CommandResult, CommandState, Document};

use crate::stage::{GOOD, Handler, Stage, text};

/// The handler's end after its script ran as its install command.
fn after_install(script: &str) -> (Stage, serde_json::Value) {
    let stage = Stage::new();
    let handler = Handler::new("Test.Odd", script);
    stage.goal(1, vec![handler.extension()]);
    stage.offer(&handler);
    stage.settle();
    let entry = stage.handler("Test.Odd");
    (stage, entry)
}

fn message(entry: &serde_json::Value) -> &str {
    entry["formattedMessage"]["message"].as_str().unwrap()
}

#[test]
fn names_the_exit_status_and_the_output_of_a_failed_install_and_runs_it_once() {
    let (stage, entry) =
        after_install("#!/bin/sh\necho run >> ../operations\necho out\necho err >&2\nexit 51\n");
    assert_eq!((&entry["status"], &entry["code"]), (&"NotReady".into(), &1007.into()));
    let text = message(&entry);
    assert!(text.starts_with("[ExtensionOperationError] Non-zero exit code: 51, "), "{text}");
    assert!(
        text.ends_with("/Test.Odd-1.0.0/bin/handler install\n[stdout]\nout\n\n\n[stderr]\nerr\n"),
        "{text}"
    );
    assert_eq!(stage.own("Test.Odd")["operation"], "Install");
    for _ in 0..3 {
        stage.settle();
    }
    assert_eq!(stage.operations(), "run\n");
    let log = fs::read_to_string(stage.root.path("/var/log/azure/Test.Odd/CommandExecution.log")).unwrap();
    assert!(log.contains("Executing command: ") && log.contains("Non-zero exit code: 51"), "{log}");
    // The next goal state tries again, from the package on.
    let handler = Handler::new("Test.Odd", GOOD);
    stage.goal(2, vec![handler.extension()]);
    stage.offer(&handler);
    stage.settle();
    assert_eq!(stage.handler("Test.Odd")["status"], "Ready");
}

#[test]
fn tells_126_127_and_signals_apart() {
    let (_, entry) = after_install("#!/no/such/interpreter\n");
    assert!(message(&entry).contains("Non-zero exit code: 12"), "{entry}");
    let (_, entry) = after_install("#!/bin/sh\nkill -SEGV $$\n");
    assert!(
        message(&entry).contains("Non-zero exit code: 139") || message(&entry).contains("code: -11"),
        "{entry}"
    );
    let stage = Stage::new();
    let handler = Handler::new("Test.Odd", GOOD).manifest("bin/handler install", "bin/nothing install");
    stage.goal(1, vec![handler.extension()]);
    stage.offer(&handler);
    stage.settle();
    assert!(message(&stage.handler("Test.Odd")).contains("Non-zero exit code: 127, "));
}

#[test]
fn gives_the_command_what_the_contract_promises_and_nothing_else() {
    let script = r#"#!/bin/sh
[ "$1" = enable ] || exit 0
umask > ../seen
pwd >> ../seen
echo "$0" >> ../seen
ls -l /proc/self/fd/ | grep -c -- '->' >> ../seen
readlink /proc/$$/fd/0 >> ../seen
grep -E '^(SigIgn|SigBlk|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\t\n' >> ../seen
echo >> ../seen
ulimit -Sn >> ../seen
cut -d' ' -f5,6,7 /proc/self/stat >> ../seen
for stream in 1 2; do echo out >&$stream; head -c 1 <&$stream >/dev/null 2>&1; echo $? >> ../seen; done
echo made > ../made
env | sort > ../environment
"#;
    let (stage, entry) = after_install(script);
    assert_eq!(entry["status"], "Ready", "{entry}");
    let base = stage.root.state_path("Test.Odd-1.0.0").display().to_string();
    let seen = fs::read_to_string(stage.root.state_path("seen")).unwrap();
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(seen[0], "0022");
    assert_eq!(seen[1], base);
    assert_eq!(seen[2], format!("{base}/bin/handler"));
    // Standard descriptors, and that of the listing itself.
    assert_eq!(seen[3], "4");
    assert_eq!(seen[4], "/dev/null");
    // Signals 32 and 33 are the C library's own: nobody can set them.
    let signals = seen[5].replace("SigIgn:0000000180000000", "SigIgn:0000000000000000");
    assert_eq!(signals, "SigBlk:0000000000000000SigIgn:0000000000000000NoNewPrivs:0Seccomp:0");
    assert_eq!(seen[6], "1024");
    let [group, session, terminal] = seen[7].split(' ').collect::<Vec<_>>()[..] else {
        panic!("{}", seen[7])
    };
    assert_eq!((group, terminal), (session, "0"), "a session of its own, without a terminal");
    assert_eq!(seen[8..], ["1", "1"], "its output is for appending, not for reading");
    assert_eq!(fs::metadata(stage.root.state_path("made")).unwrap().mode() & 0o777, 0o644);
    let environment = fs::read_to_string(stage.root.state_path("environment")).unwrap();
    let names: Vec<&str> =
        environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let expected = [
        "AZURE_GUEST_AGENT_EXTENSION_PATH",
        "AZURE_GUEST_AGENT_EXTENSION_SUPPORTED_FEATURES",
        "AZURE_GUEST_AGENT_EXTENSION_VERSION",
        "AZURE_GUEST_AGENT_UNINSTALL_CMD_EXIT_CODE",
        "AZURE_GUEST_AGENT_WIRE_PROTOCOL_ADDRESS",
        "ConfigSequenceNumber",
        "LANG",
        "PATH",
    ];
    for name in expected {
        assert!(names.contains(&name), "{name} in {environment}");
    }
    // The shell adds these three.
    let others: Vec<&&str> = names
        .iter()
        .filter(|name| !expected.contains(name) && !["PWD", "OLDPWD", "_", "SHLVL"].contains(name))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(environment.contains("AZURE_GUEST_AGENT_WIRE_PROTOCOL_ADDRESS=168.63.129.16\n"));
    assert!(environment.contains(&format!("AZURE_GUEST_AGENT_EXTENSION_PATH={base}\n")));
    // Nothing is promised that isn't done.
    assert!(environment.contains("AZURE_GUEST_AGENT_EXTENSION_SUPPORTED_FEATURES=[]\n"), "{environment}");
}

/// The runner's time is in the command's document; the test shortens it there.
#[test]
fn ends_a_command_whose_time_is_up_with_all_that_it_started() {
    let stage = Stage::new();
    let script =
        "#!/bin/sh\ntrap '' TERM\necho begun\nsleep 1000 &\necho $! > ../child\nwhile :; do sleep 1; done\n";
    let handler = Handler::new("Test.Slow", script);
    stage.goal(1, vec![handler.extension()]);
    stage.offer(&handler);
    stage.plan();
    let [id] = &stage.waiting()[..] else { panic!() };
    let path = stage.root.state_path(format!("ext/commands/{id}.json"));
    let document = fs::read_to_string(&path).unwrap();
    assert!(document.contains("\"timeout_s\": 900"));
    fs::write(&path, document.replace("\"timeout_s\": 900", "\"timeout_s\": 1")).unwrap();
    stage.settle();
    let entry = stage.handler("Test.Slow");
    assert_eq!(entry["code"], 1011);
    assert!(message(&entry).starts_with("[ExtensionError] Timeout(1): "), "{entry}");
    assert!(message(&entry).contains("begun"), "{entry}");
    let child = fs::read_to_string(stage.root.state_path("child")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
}

#[test]
fn does_not_wait_for_a_daemon_and_leaves_it_alone() {
    let script = "#!/bin/sh\n[ \"$1\" = enable ] || exit 0\nsleep 1000 &\necho $! > ../daemon\n";
    let (stage, entry) = after_install(script);
    assert_eq!(entry["status"], "Ready");
    assert_eq!(stage.own("Test.Odd")["status"], "transitioning");
    let pid: i32 = fs::read_to_string(stage.root.state_path("daemon")).unwrap().trim().parse().unwrap();
    kill(Pid::from_raw(pid), None).expect("the daemon is alive");
    // It holds the output file, and says its last word later.
    fs::write(
        stage.root.state_path("Test.Odd-1.0.0/status/0.status"),
        r#"[{"status": {"status": "success", "code": 0, "formattedMessage": {"lang": "en", "message": "late"}}}]"#,
    )
    .unwrap();
    stage.plan();
    assert_eq!(stage.own("Test.Odd")["formattedMessage"]["message"], "late");
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn holds_huge_and_binary_output_within_its_bound() {
    let script = "#!/bin/sh\n[ \"$1\" = install ] || exit 0\nprintf 'first\\377\\000\\033[31m'\n\
                  head -c 150000000 /dev/zero\nexit 3\n";
    let (stage, entry) = after_install(script);
    let text = message(&entry);
    assert!(text.contains("code: 3") && text.len() < 8192, "{}", text.len());
    assert!(!text.contains('\0') && !text.contains('\u{1b}'));
    let results = stage.root.state_path("ext/results");
    let total: u64 =
        fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(total < 100 << 20, "{total}");
    let result = result(&stage, &only_id(&stage));
    // What is written between a look and a cut isn't counted.
    assert!(result.stdout_bytes > 100_000_000, "{result:?}");
}

fn only_id(stage: &Stage) -> String {
    let mut ids: Vec<String> = fs::read_dir(stage.root.state_path("ext/results"))
        .unwrap()
        .filter_map(|e| {
            e.unwrap().file_name().into_string().unwrap().strip_suffix(".result.json").map(str::to_owned)
        })
        .collect();
    ids.sort();
    ids.remove(0)
}

fn result(stage: &Stage, id: &str) -> CommandResult {
    let path = stage.root.state_path(format!("ext/results/{id}.result.json"));
    Document::read_at(&stage.root, &path).unwrap().body
}

#[test]
fn never_runs_an_id_twice_and_never_one_of_another_boot() {
    let stage = Stage::new();
    let handler = Handler::new("Test.Good", GOOD);
    stage.goal(1, vec![handler.extension()]);
    stage.offer(&handler);
    stage.plan();
    let id = stage.waiting().remove(0);
    stage.run_waiting();
    let output = stage.runner(&[&id]).output().unwrap();
    assert!(text(&output).contains("never is a second time"), "{}", text(&output));
    assert_eq!(stage.operations(), "install 0 1.0.0\n");

    stage.plan();
    let id = stage.waiting().remove(0);
    let path = stage.root.state_path(format!("ext/commands/{id}.json"));
    let command: Command = Document::read_at(&stage.root, &path).unwrap().body;
    let other = fs::read_to_string(&path).unwrap().replace(&command.boot_id, "another-boot");
    fs::write(&path, other).unwrap();
    assert!(stage.runner(&[&id]).output().unwrap().status.success());
    assert_eq!(stage.operations(), "install 0 1.0.0\n");
    assert_eq!(result(&stage, &id).state, CommandState::Interrupted);
}

#[test]
fn refuses_a_command_document_that_no_planner_would_write() {
    let stage = Stage::new();
    let handler = Handler::new("Test.Good", GOOD);
    stage.goal(1, vec![handler.extension()]);
    stage.offer(&handler);
    stage.plan();
    let id = stage.waiting().remove(0);
    let good = fs::read_to_string(stage.root.state_path(format!("ext/commands/{id}.json"))).unwrap();
    let base = stage.base(&handler).display().to_string();
    for (number, (from, to, why)) in [
        (format!("{base}/bin/handler"), "/bin/touch /tmp/x".to_owned(), "isn't below the handler's folder"),
        (
            format!("\"directory\": \"{base}\""),
            "\"directory\": \"/tmp\"".to_owned(),
            "isn't the handler's folder",
        ),
        ("\"kind\": \"install\"".to_owned(), "\"kind\": \"remove\"".to_owned(), "isn't removable"),
        ("\"PATH\"".to_owned(), "\"LD_PRELOAD\"".to_owned(), "unfit variable 'LD_PRELOAD'"),
        ("waagent/command/1".to_owned(), "waagent/command/9".to_owned(), "isn't 'waagent/command/1'"),
        ("\"timeout_s\": 900".to_owned(), "\"timeout_s\": 0".to_owned(), "body.timeout_s: 0"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(good.contains(&from), "{from}");
        let bad_id = format!("1-{number}");
        let path = stage.root.state_path(format!("ext/commands/{bad_id}.json"));
        let bad =
            good.replace(&format!("\"id\": \"{id}\""), &format!("\"id\": \"{bad_id}\"")).replace(&from, &to);
        fs::write(&path, bad).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let output = stage.runner(&[&bad_id]).output().unwrap();
        assert_eq!(output.status.code(), Some(65), "{}", text(&output));
        assert!(text(&output).contains(why), "{why}: {}", text(&output));
        assert!(path.exists());
        assert_eq!(result(&stage, &bad_id).state, CommandState::Interrupted);
    }
    assert_eq!(stage.operations(), "");
    for bad in ["../x", ".hidden", "a b"] {
        assert_eq!(stage.runner(&[bad]).output().unwrap().status.code(), Some(64), "{bad}");
    }
    assert_eq!(stage.runner(&["1-404"]).output().unwrap().status.code(), Some(66));
}

#[test]
fn runs_custom_data_once_when_provisioning_says_so() {
    let stage = Stage::new();
    let script = stage.root.state_path("CustomData");
    fs::write(&script, "#!/bin/sh\necho plum; head -c 1 <&1 2>/dev/null || echo unread; echo run >> \"$(dirname \"$0\")/operations\"\nexit 4\n")
        .unwrap();
    let run = || text(&stage.runner(&["--custom-data"]).output().unwrap());
    assert!(run().contains("doesn't ask for custom data"));
    fs::write(stage.root.runtime_path("provision/customdata"), "asked for\n").unwrap();
    assert!(run().contains("custom data was run"));
    assert!(run().contains("run before"));
    assert_eq!(stage.operations(), "run\n");
    let log = stage.root.path("/var/log/azure/customdata.log");
    assert_eq!(fs::read_to_string(&log).unwrap(), "plum\nunread\n");
    assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
    let result = result(&stage, "custom-data");
    assert_eq!((result.state, result.exit_code), (CommandState::Exited, Some(4)));
    assert!(Path::new(&script).exists());
}

#[test]
fn custom_data_that_is_no_program_is_left_alone() {
    let stage = Stage::new();
    fs::write(stage.root.state_path("CustomData"), b"\x1f\x8b\0\0binary").unwrap();
    fs::write(stage.root.runtime_path("provision/customdata"), "").unwrap();
    let output = text(&stage.runner(&["--custom-data"]).output().unwrap());
    assert!(output.contains("neither text nor a program"), "{output}");
    assert_eq!(result(&stage, "custom-data").state, CommandState::Interrupted);
}
