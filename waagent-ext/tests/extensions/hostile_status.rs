//! Status and heartbeat files as no handler should write them: that extension says so, the others are as they were.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use nix::sys::stat::{Mode, utimes};
use nix::sys::time::TimeVal;
use serde_json::Value;
use waagent_common::documents::{ExtensionState, Inputs, write};
use waagent_common::sandbox::Sandbox;
use waagent_common::time::unix_seconds;

use crate::stage::{GOOD, Handler, Stage};

struct Two(Stage);

impl Two {
    fn new() -> Self {
        Self::with(|handler| handler)
    }

    fn with(change: impl FnOnce(Handler) -> Handler) -> Self {
        let stage = Stage::new();
        let (odd, good) = (change(Handler::new("Test.Odd", GOOD)), Handler::new("Test.Good", GOOD));
        stage.offer(&odd);
        stage.offer(&good);
        stage.goal(1, vec![odd.extension(), good.extension()]);
        stage.settle();
        Self(stage)
    }

    fn file(&self) -> PathBuf {
        self.0.root.state_path("Test.Odd-1.0.0/status/0.status")
    }

    /// The status after this file was written, long enough ago that it isn't half written.
    fn reads(&self, bytes: &[u8]) -> Value {
        fs::write(self.file(), bytes).unwrap();
        let old = TimeVal::new(1_000_000_000, 0);
        utimes(&self.file(), &old, &old).unwrap();
        self.look()
    }

    fn look(&self) -> Value {
        self.0.plan();
        assert_eq!(self.0.own("Test.Good")["status"], "success");
        assert_eq!(self.0.handler("Test.Good")["status"], "Ready");
        self.0.own("Test.Odd")
    }
}

fn message(status: &Value) -> &str {
    status["formattedMessage"]["message"].as_str().unwrap_or_default()
}

#[test]
fn wrong_shapes_are_1012_with_the_reason() {
    let two = Two::new();
    let deep = format!(
        "[{{\"status\": {{\"status\": \"success\", \"substatus\": {}{}}}}}]",
        "[".repeat(100),
        "]".repeat(100)
    );
    for (bytes, why) in [
        ("[1]", "no object"),
        ("[null]", "no object"),
        ("{}", "must be an array: {}"),
        ("\"x\"", "must be an array"),
        ("[{}]", "Missing status key"),
        (r#"[{"status": null}]"#, "status is no object"),
        (r#"[{"status": {}}]"#, "Missing status/status key"),
        (r#"[{"status": {"status": "success", "formattedMessage": "x"}}]"#, "formattedMessage is no object"),
        (
            r#"[{"status": {"status": "success", "formattedMessage": {"message": "x"}}}]"#,
            "Missing status/formattedMessage/lang",
        ),
        (r#"[{"status": {"status": "success", "substatus": 5}}]"#, "substatus is no array"),
        (
            r#"[{"status": {"status": "success", "substatus": [{"status": "Great"}]}}]"#,
            "Invalid value \"Great\" in range",
        ),
        (&deep, "nested deeper"),
        ("[NaN]", "incorrect format"),
        ("[{\"status\"", "incorrect format"),
        ("", "incorrect format"),
    ] {
        let status = two.reads(bytes.as_bytes());
        assert_eq!((&status["status"], &status["code"]), (&"error".into(), &1012.into()), "{bytes}");
        assert!(message(&status).contains(why), "{bytes}: {}", message(&status));
    }
    let arrays = "[".repeat(100_000);
    assert_eq!(two.reads(arrays.as_bytes())["code"], 1012);
    assert_eq!(two.reads(b"\xff\xfe[\0]\0")["code"], 1012);
    // The twin: what publishers write.
    let good = br#"[{"version": 1, "timestampUTC": "\/Date(1)\/", "status": {"status": "success", "code": "0", "x": 1}}]"#;
    assert_eq!(two.reads(good)["code"], "0");
}

#[test]
fn odd_values_pass_as_the_reference_agent_lets_them() {
    let two = Two::new();
    assert_eq!(two.reads(br#"[{"status": {"status": "Success"}}]"#)["status"], "error");
    assert_eq!(two.reads(b"[]")["status"], "transitioning");
    let status = two.reads(
        br#"[{"status": {"status": "success", "code": {"a": 1}, "operation": [1], "formattedMessage":
        {"lang": "x", "message": "half \ud83d, get https://a.blob/c?sv=1&sig=secret \u001b[2J now"}}}]"#,
    );
    assert_eq!((&status["code"], &status["operation"]), (&0.into(), &Value::Null));
    assert_eq!(message(&status), "half \u{fffd}, get https://a.blob/c?<redacted> [2J now");
    assert_eq!(status["formattedMessage"]["lang"], "en-US");
}

#[test]
fn links_pipes_folders_and_giants_are_not_read() {
    type Make<'a> = Box<dyn Fn() + 'a>;
    let two = Two::new();
    let file = two.file();
    let cases: [(&str, Make<'_>); 5] = [
        ("link", Box::new(|| symlink("/etc/shadow", &file).unwrap())),
        ("pipe", Box::new(|| nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap())),
        ("folder", Box::new(|| fs::create_dir(&file).unwrap())),
        ("socket", Box::new(|| drop(std::os::unix::net::UnixListener::bind(&file).unwrap()))),
        ("giant", Box::new(|| fs::File::create(&file).unwrap().set_len(5 << 20).unwrap())),
    ];
    for (what, make) in cases {
        let _old = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
        make();
        let status = two.look();
        assert_eq!((&status["status"], &status["code"]), (&"error".into(), &(-1).into()), "{what}");
        assert!(
            message(&status).starts_with("We couldn't read any status for Test.Odd-1.0.0 extension"),
            "{what}"
        );
        assert!(!message(&status).contains("root:"));
    }
    let folder = file.parent().unwrap().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    symlink("/etc", &folder).unwrap();
    assert_eq!(two.look()["status"], "transitioning");
    // The next enable puts the folder right.
    let handlers = ["Test.Odd", "Test.Good"].map(|name| Handler::new(name, GOOD).extension());
    two.0.goal(2, handlers.to_vec());
    two.0.settle();
    assert!(fs::symlink_metadata(&folder).unwrap().is_dir());
    assert_eq!(two.look()["status"], "success");
}

#[test]
fn only_the_file_of_the_goal_states_number_counts() {
    let two = Two::new();
    let handler = Handler::new("Test.Odd", "");
    fs::write(two.0.root.state_path("Test.Odd-1.0.0/bin/handler"), "#!/bin/sh\nexit 0\n").unwrap();
    let mut odd = handler.extension();
    odd.settings[0].sequence_number = 7;
    two.0.goal(2, vec![odd, Handler::new("Test.Good", GOOD).extension()]);
    two.0.settle();
    let status = two.look();
    assert_eq!(status["status"], "transitioning");
    assert!(message(&status).contains("status/7.status does not exist"), "{}", message(&status));
}

#[test]
fn big_reports_are_shortened_and_stay_within_the_documents_bound() {
    let two = Two::new();
    let part = r#"{"name": "n", "status": "success", "code": 0, "formattedMessage": {"lang": "x", "message": "TEXT"}}"#;
    let parts = vec![part.replace("TEXT", &"é".repeat(20_000)); 40].join(",");
    let whole = format!(
        r#"[{{"status": {{"status": "success", "formattedMessage": {{"lang": "x", "message": "{}"}}, "substatus": [{parts}]}}}}]"#,
        "m".repeat(5000)
    );
    let status = two.reads(whole.as_bytes());
    assert_eq!(message(&status), "m".repeat(1024) + " ... [TRUNCATED]");
    let substatus = status["substatus"].as_array().unwrap();
    assert!(!substatus.is_empty() && substatus.len() < 10, "{}", substatus.len());
    assert!(substatus[0]["formattedMessage"]["message"].as_str().unwrap().ends_with("é ... [TRUNCATED]"));
}

#[test]
fn many_big_extensions_share_the_bound() {
    let stage = Stage::new();
    let names: Vec<String> = (0..12).map(|n| format!("Test.Big{n}")).collect();
    let part = r#"{"name": "n", "status": "success", "formattedMessage": {"lang": "x", "message": "TEXT"}}"#
        .replace("TEXT", &"t".repeat(9000));
    let whole =
        format!(r#"[{{"status": {{"status": "success", "substatus": [{}]}}}}]"#, vec![part; 14].join(","));
    fs::write(stage.root.state_path("big"), whole).unwrap();
    let script = "#!/bin/sh\ncp ../big status/0.status\n";
    let handlers: Vec<Handler> = names.iter().map(|name| Handler::new(name, script)).collect();
    for handler in &handlers {
        stage.offer(handler);
    }
    stage.goal(1, handlers.iter().map(Handler::extension).collect());
    stage.settle();
    assert!(fs::metadata(stage.root.state_path("ext/status.json")).unwrap().len() < 960 << 10);
    for name in names {
        assert_eq!(stage.own(&name)["status"], "success");
    }
}

#[test]
fn a_heartbeat_speaks_for_the_handler_while_it_is_fresh() {
    let two =
        Two::with(|handler| handler.manifest(r#""reportHeartbeat": false"#, r#""reportHeartbeat": "True""#));
    let file = two.0.root.state_path("Test.Odd-1.0.0/heartbeat.log");
    let handler = |two: &Two| {
        two.look();
        let entry = two.0.handler("Test.Odd");
        (
            entry["status"].clone(),
            entry["formattedMessage"]["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    assert_eq!(handler(&two).0, "Ready");
    let beat = r#"[{"version": 1.0, "heartbeat": {"status": "notready", "formattedMessage": {"lang": "x", "message": "tired"}}}]"#;
    fs::write(&file, beat).unwrap();
    assert_eq!(handler(&two), ("NotReady".into(), "tired".to_owned()));
    for bad in ["[]", "[null]", "x", r#"[{"heartbeat": null}]"#, r#"[{"heartbeat": "x"}]"#] {
        fs::write(&file, bad).unwrap();
        assert!(handler(&two).1.contains("Malformed heartbeat file"), "{bad}");
    }
    fs::write(&file, beat).unwrap();
    let old = TimeVal::new(1_000_000_000, 0);
    utimes(&file, &old, &old).unwrap();
    assert_eq!(handler(&two).0, "Unresponsive");
    fs::write(&file, beat.replace("notready", "Great")).unwrap();
    assert!(handler(&two).1.contains("unknown heartbeat status 'Great'"));
}

/// 2099.
const AHEAD: TimeVal = TimeVal::new(4_070_908_800, 0);

#[test]
fn a_time_far_ahead_makes_no_file_half_written() {
    let two = Two::new();
    fs::write(two.file(), "[{").unwrap();
    utimes(&two.file(), &AHEAD, &AHEAD).unwrap();
    assert_eq!(two.look()["code"], 1012);
    // The twin: just written, as far as a clock that was set a little back can tell.
    fs::write(two.file(), "[{").unwrap();
    let soon = TimeVal::new(i64::try_from(unix_seconds()).unwrap() + 6, 0);
    utimes(&two.file(), &soon, &soon).unwrap();
    assert_eq!(two.look()["status"], "transitioning");
}

#[test]
fn a_time_far_ahead_makes_no_heartbeat_fresh() {
    let two =
        Two::with(|handler| handler.manifest(r#""reportHeartbeat": false"#, r#""reportHeartbeat": true"#));
    let file = two.0.root.state_path("Test.Odd-1.0.0/heartbeat.log");
    fs::write(&file, r#"[{"version": 1.0, "heartbeat": {"status": "ready"}}]"#).unwrap();
    two.look();
    assert_eq!(two.0.handler("Test.Odd")["status"], "Ready");
    utimes(&file, &AHEAD, &AHEAD).unwrap();
    two.look();
    let entry = two.0.handler("Test.Odd");
    assert_eq!(entry["status"], "Unresponsive", "{entry}");
    assert!(message(&entry).contains("s ahead of the clock"), "{entry}");
    // Nor does an enable that a clock of then put there stand in for a heartbeat for ever.
    fs::remove_file(&file).unwrap();
    two.look();
    assert_eq!(two.0.handler("Test.Odd")["status"], "Ready");
    let mut state = two.0.document::<ExtensionState>();
    for record in &mut state.handlers {
        record.enabled_at_s = u64::try_from(AHEAD.tv_sec()).ok();
    }
    write(&two.0.root, &state, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    two.look();
    assert_eq!(two.0.handler("Test.Odd")["status"], "NotReady");
}
