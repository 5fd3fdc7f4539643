//! The front command's words: what it lists is there, what isn't there is refused.
#![expect(clippy::unwrap_used, reason = "a test says what it means, in its helpers too")]

use std::path::Path;
use std::process::{Command, Output};

fn waagent(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waagent")).args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn help_and_usage_list_only_what_this_version_has() {
    let help = said(&waagent(&["-help"]));
    let usage = said(&waagent(&["-no-such-word"]));
    for absent in ["deprovision", "collect-logs", "-full", "-force", "--plan  ", "-verbose"] {
        assert!(!help.contains(absent) && !usage.contains(absent), "{absent}");
    }
    let unit = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(name).exists();
    for (word, name) in [
        ("-provision ", "waagent-provision.service"),
        ("-start ", "waagent.service"),
        ("-run-exthandlers ", "waagent-ext.service"),
        ("-register-service ", "waagent.service"),
        ("-setup-firewall=", "waagent-firewall.service"),
        ("-daemon ", "waagent.target"),
    ] {
        assert!(help.contains(word) && unit(name), "{word}");
    }
}

/// Their words stay known: scripts give them, and no misspelling may become another command.
#[test]
fn what_isnt_there_yet_is_refused_as_such_and_changes_nothing() {
    for words in
        [&["-force", "-deprovision+user"][..], &["-verbose", "-deprovision"], &["-collect-logs", "-full"]]
    {
        let output = waagent(words);
        assert_eq!(output.status.code(), Some(5), "{}", said(&output));
        assert!(said(&output).contains("isn't in this version of the agent"), "{}", said(&output));
    }
    // The twin that succeeds, with a flag of old that means nothing here.
    assert_eq!(waagent(&["-verbose", "-version"]).status.code(), Some(0));
}
