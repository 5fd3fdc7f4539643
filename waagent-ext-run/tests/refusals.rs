//! What the runner refuses before it runs anything.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// How it ends when it is asked for this command.
fn asked(root: &Path, arguments: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-ext-run"));
    command.args(arguments).arg("--root").arg(root).output().unwrap().status.code()
}

#[test]
fn runs_nothing_without_a_sound_document() {
    let root = tempfile::tempdir().unwrap();
    let ext = root.path().join("var/lib/waagent/ext");
    for folder in ["results", "commands"] {
        fs::create_dir_all(ext.join(folder)).unwrap();
    }
    let marker = root.path().join("ran");
    let command = format!(r#"{{"version":1,"body":{{"command":"touch {}"}}}}"#, marker.display());
    fs::write(ext.join("commands/1-1.json"), command).unwrap();
    assert_eq!(asked(root.path(), &["1-1"]), Some(65), "no document of ours");
    assert_eq!(asked(root.path(), &["2-1"]), Some(66), "none");
    for id in ["../commands/1-1", ".hidden", ""] {
        assert_eq!(asked(root.path(), &[id]), Some(64), "{id}");
    }
    assert_eq!(asked(root.path(), &["1-1", "--custom-data"]), Some(64));
    assert!(!marker.exists());
}
