//! How far cloud-init is, where it provisions. From files alone; nothing is run.

use std::fs;

use serde::Deserialize;
use waagent_common::durable::read_bounded;
use waagent_common::root::Root;

/// Has the stage ended that makes users and host keys?
pub(crate) fn has_finished(root: &Root) -> bool {
    let result = fs::symlink_metadata(root.path("/run/cloud-init/result.json")).is_ok();
    result || status(root).is_some_and(|status| status.v1.init.finished.is_some())
}

/// What cloud-init itself reports as wrong, for our own status.
pub(crate) fn errors(root: &Root) -> Vec<String> {
    let Some(status) = status(root) else { return Vec::new() };
    let mut errors = status.v1.init_local.errors;
    errors.extend(status.v1.init.errors);
    errors.truncate(16);
    errors
}

/// Damaged or absent: not finished, and nothing to list.
fn status(root: &Root) -> Option<Status> {
    let bytes = read_bounded(&root.path("/run/cloud-init/status.json"), 1 << 20).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// As much of cloud-init's own file as matters here.
#[derive(Debug, Deserialize)]
struct Status {
    v1: Stages,
}

#[derive(Debug, Deserialize)]
struct Stages {
    #[serde(default)]
    init: Stage,
    #[serde(default, rename = "init-local")]
    init_local: Stage,
}

#[derive(Debug, Default, Deserialize)]
struct Stage {
    finished: Option<f64>,
    #[serde(default)]
    errors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_when_the_network_stage_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        let path = dir.path().join("run/cloud-init/status.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        assert!(!has_finished(&root));
        fs::write(&path, r#"{"v1":{"init":{"finished":null,"errors":[]}}}"#).unwrap();
        assert!(!has_finished(&root));
        fs::write(&path, r#"{"v1":{"init":{"finished":12.5,"errors":["x"]},"stage":null}}"#).unwrap();
        assert!(has_finished(&root));
        assert_eq!(errors(&root), ["x"]);
    }
}
