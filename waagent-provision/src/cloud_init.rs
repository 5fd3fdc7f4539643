//! Is cloud-init there, is it switched on, has it finished? From files alone; nothing is run.

use std::fs;

use serde::Deserialize;
use waagent_common::durable::read_bounded;
use waagent_common::place::Place;

/// State of cloud-init on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudInit {
    /// Not installed.
    Absent,
    /// Installed, but it won't run.
    Disabled,
    /// It provisions this machine.
    Enabled,
}

/// Looks at the switches that cloud-init's own generator looks at, and at what that generator decided.
pub fn state(place: &Place) -> CloudInit {
    let exists = |path: &str| fs::symlink_metadata(place.path(path)).is_ok();
    let units: Vec<String> = UNIT_FOLDERS.iter().map(|folder| format!("{folder}/{UNIT}")).collect();
    if !units.iter().any(|unit| exists(unit)) {
        return CloudInit::Absent;
    }
    let is_masked = units
        .iter()
        .any(|unit| fs::read_link(place.path(unit)).is_ok_and(|target| target.as_os_str() == "/dev/null"));
    let kernel = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let is_off = kernel.split_whitespace().any(|word| word == "cloud-init=disabled");
    if is_masked || is_off || exists("/etc/cloud/cloud-init.disabled") || exists("/run/cloud-init/disabled") {
        return CloudInit::Disabled;
    }
    let is_wanted = WANTS.iter().any(|wants| exists(wants));
    if exists("/run/cloud-init/enabled") || is_wanted { CloudInit::Enabled } else { CloudInit::Disabled }
}

/// Has the stage ended that makes users and host keys?
pub fn has_finished(place: &Place) -> bool {
    let result = fs::symlink_metadata(place.path("/run/cloud-init/result.json")).is_ok();
    result || status(place).is_some_and(|status| status.v1.init.finished.is_some())
}

/// What cloud-init itself reports as wrong, for our own status.
pub fn errors(place: &Place) -> Vec<String> {
    let Some(status) = status(place) else { return Vec::new() };
    let mut errors = status.v1.init_local.errors;
    errors.extend(status.v1.init.errors);
    errors.truncate(16);
    errors
}

/// Damaged or absent: not finished, and nothing to list.
fn status(place: &Place) -> Option<Status> {
    let bytes = read_bounded(&place.path("/run/cloud-init/status.json"), 1 << 20).ok()?;
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

const UNIT: &str = "cloud-init-local.service";
const UNIT_FOLDERS: &[&str] = &["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
const WANTS: &[&str] = &[
    "/run/systemd/generator.early/multi-user.target.wants/cloud-init.target",
    "/etc/systemd/system/cloud-init.target.wants/cloud-init-local.service",
    "/etc/systemd/system/multi-user.target.wants/cloud-init-local.service",
    "/usr/lib/systemd/system/cloud-init.target.wants/cloud-init-local.service",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[&str]) -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let place = Place::new(dir.path());
        (dir, place)
    }

    const INSTALLED: &str = "etc/systemd/system/cloud-init-local.service";

    #[test]
    fn absent_without_its_unit() {
        assert_eq!(state(&machine(&["run/cloud-init/enabled"]).1), CloudInit::Absent);
    }

    #[test]
    fn enabled_by_its_generator_or_its_link() {
        let (_dir, place) = machine(&[INSTALLED, "run/cloud-init/enabled"]);
        assert_eq!(state(&place), CloudInit::Enabled);
        let link = "etc/systemd/system/cloud-init.target.wants/cloud-init-local.service";
        assert_eq!(state(&machine(&[INSTALLED, link]).1), CloudInit::Enabled);
    }

    #[test]
    fn disabled_by_file_generator_or_nobody_wanting_it() {
        let (_dir, place) = machine(&[INSTALLED, "run/cloud-init/enabled", "etc/cloud/cloud-init.disabled"]);
        assert_eq!(state(&place), CloudInit::Disabled);
        assert_eq!(state(&machine(&[INSTALLED, "run/cloud-init/disabled"]).1), CloudInit::Disabled);
        assert_eq!(state(&machine(&[INSTALLED]).1), CloudInit::Disabled);
    }

    #[test]
    fn finished_when_the_network_stage_is() {
        let (dir, place) = machine(&["run/cloud-init/status.json"]);
        let path = dir.path().join("run/cloud-init/status.json");
        assert!(!has_finished(&place));
        fs::write(&path, r#"{"v1":{"init":{"finished":null,"errors":[]}}}"#).unwrap();
        assert!(!has_finished(&place));
        fs::write(&path, r#"{"v1":{"init":{"finished":12.5,"errors":["x"]},"stage":null}}"#).unwrap();
        assert!(has_finished(&place));
        assert_eq!(errors(&place), ["x"]);
    }
}
