//! The administrator's policy file, where it is asked for.

use std::fs;

use waagent_common::documents::Wanted;

use crate::rules::{enabled, message};
use crate::stage::Stage;

#[test]
fn a_policy_file_that_is_asked_for_and_missing_allows_nothing_and_is_named() {
    let stage = Stage::new();
    let configuration = stage.root.path("/etc/waagent.conf");
    fs::write(&configuration, "Debug.EnableExtensionPolicy=y\n").unwrap();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.settle();
    let text = message(&stage, "Test.Good");
    assert_eq!(stage.handler("Test.Good")["code"], 1009, "{text}");
    assert!(text.contains("/etc/waagent_policy.json') is missing"), "{text}");
    assert_eq!(stage.own("Test.Good")["status"], "error");
    let wanted: Wanted = stage.document();
    assert!(wanted.packages.is_empty() && stage.operations().is_empty());
    // The twin that succeeds: the administrator asks for no policy.
    fs::write(&configuration, "Debug.EnableExtensionPolicy=n\n").unwrap();
    stage.goal(2, enabled(&stage, &["Test.Good"]));
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
}
