//! One extension from goal state to status, with both real programs.

use std::fs;

use crate::stage::{GOOD, Handler, Stage};

#[test]
fn installs_enables_and_reports_an_extension() {
    let stage = Stage::new();
    let handler = Handler::new("Test.Good", GOOD);
    stage.goal(1, vec![handler.extension()]);
    stage.plan();
    assert_eq!(stage.handler("Test.Good")["status"], "Installing");
    stage.offer(&handler);
    let last = stage.settle();
    assert!(last.contains("goal state incarnation_1 is finished"), "{last}");
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n");
    let entry = stage.handler("Test.Good");
    assert_eq!((&entry["status"], &entry["code"]), (&"Ready".into(), &0.into()));
    assert_eq!(entry["formattedMessage"]["message"], "Plugin enabled");
    assert_eq!(stage.own("Test.Good")["status"], "success");
    let status = stage.status();
    assert!(status.complete);
    assert_eq!(status.goal_state_aggregate.unwrap()["inSvdSeqNo"], 1);
    let base = stage.base(&handler);
    assert_eq!(fs::read_to_string(base.join("config/HandlerState")).unwrap(), "Enabled");
    assert!(
        fs::read_to_string(base.join("config/0.settings"))
            .unwrap()
            .contains(r#"{"greeting": "gr\u00fc\u00df"}"#)
    );
}
