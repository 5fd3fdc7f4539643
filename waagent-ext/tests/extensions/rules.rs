//! When work is begun, in which order, and for whom.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use waagent_common::documents::{
    CertificateRow, CertificateState, Certificates, Extension, Inputs, MacState, Plan, ProvisionState,
    Wanted, write,
};
use waagent_common::sandbox::Sandbox;
use waagent_common::types::{Sha256, Thumbprint};

use crate::stage::{GOOD, Handler, Stage, extension, text};

pub fn enabled(stage: &Stage, names: &[&str]) -> Vec<Extension> {
    names
        .iter()
        .map(|name| {
            let handler = Handler::new(name, GOOD);
            stage.offer(&handler);
            handler.extension()
        })
        .collect()
}

pub fn message(stage: &Stage, name: &str) -> String {
    stage.handler(name)["formattedMessage"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_second_run_changes_nothing_and_says_so() {
    let stage = Stage::new();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.settle();
    let times = |path: &str| {
        let meta = fs::metadata(stage.root.state_path(path)).unwrap();
        (meta.ino(), meta.mtime_nsec())
    };
    let documents = [
        "ext/status.json",
        "ext/state.json",
        "ext/plan.json",
        "ext/wanted.json",
        "Test.Good-1.0.0/config/0.settings",
    ];
    let before = documents.map(times);
    let output = text(&stage.plan());
    assert!(output.contains("nothing to do: goal state incarnation_1 is finished"), "{output}");
    assert_eq!(documents.map(times), before);
}

#[test]
fn enables_again_for_a_new_goal_state_a_new_boot_a_new_chain_and_force() {
    let stage = Stage::new();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.settle();
    stage.goal(2, vec![extension("Test.Good", "1.0.0", Some(0))]);
    stage.settle();
    let runs = |stage: &Stage| stage.operations().matches("enable").count();
    assert_eq!(runs(&stage), 2);
    fs::remove_dir(stage.root.runtime_path("chain")).unwrap();
    fs::create_dir(stage.root.runtime_path("chain")).unwrap();
    stage.settle();
    assert_eq!(runs(&stage), 3);
    let memory = stage.root.state_path("ext/state.json");
    let document = fs::read_to_string(&memory).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(&memory, document.replace(boot.trim(), "another-boot")).unwrap();
    stage.settle();
    assert_eq!(runs(&stage), 4);
    assert!(stage.planner().arg("--force").output().unwrap().status.success());
    stage.run_waiting();
    stage.settle();
    assert_eq!(runs(&stage), 5);
    assert_eq!(stage.operations().matches("install").count(), 1);
}

#[test]
fn waits_for_provisioning_and_goes_on_when_it_failed() {
    let stage = Stage::new();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.provision(ProvisionState::Provisioning);
    assert!(text(&stage.plan()).contains("provisioning isn't over yet"));
    assert!(!stage.root.state_path("ext/plan.json").exists() && stage.waiting().is_empty());
    stage.provision(ProvisionState::Failed);
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
}

#[test]
fn leaves_goal_states_alone_that_are_outdated_on_hold_or_need_unknown_features() {
    let stage = Stage::new();
    let extensions = enabled(&stage, &["Test.Good"]);
    stage.goal(1, extensions);
    stage.settle();
    let other = || vec![extension("Test.Other", "1.0.0", Some(0))];
    stage.goal_with(2, other(), |goal| goal.outdated = true);
    assert!(stage.settle().contains("is older than one that was seen"));
    stage.goal_with(3, other(), |goal| goal.on_hold = true);
    assert!(stage.settle().contains("on hold"));
    stage.goal_with(4, other(), |goal| goal.required_features = vec!["TimeTravel".to_owned()]);
    stage.settle();
    let status = stage.status();
    let aggregate = status.goal_state_aggregate.unwrap();
    assert_eq!((&aggregate["status"], &aggregate["code"]), (&"Failed".into(), &2001.into()));
    assert!(aggregate["formattedMessage"]["message"].as_str().unwrap().contains("TimeTravel"));
    assert_eq!(status.handlers[0]["handlerName"], "Test.Good");
    assert!(stage.base(&Handler::new("Test.Good", GOOD)).exists());
    assert_eq!(stage.operations().lines().count(), 2);
    // The twin that succeeds.
    stage.goal_with(5, vec![extension("Test.Good", "1.0.0", Some(0))], |goal| {
        goal.required_features = vec!["MultipleExtensionsPerHandler".to_owned()];
    });
    stage.settle();
    assert_eq!(stage.operations().lines().count(), 3);
}

#[test]
fn works_in_the_order_of_dependency_levels_and_waits_for_the_lower_one() {
    let stage = Stage::new();
    let slow = GOOD.replace("success", "transitioning");
    let first = Handler::new("Test.First", &slow);
    stage.offer(&first);
    let mut extensions = enabled(&stage, &["Test.Last", "Test.Second"]);
    extensions.push(first.extension());
    extensions[0].settings[0].dependency_level = 2;
    extensions[1].settings[0].dependency_level = 1;
    stage.goal(1, extensions);
    assert!(stage.settle().contains("Test.Second waits for what it depends on"));
    assert_eq!(stage.operations().lines().count(), 2);
    let status = stage.base(&first).join("status/0.status");
    let done = fs::read_to_string(&status).unwrap().replace("transitioning", "success");
    fs::write(&status, done).unwrap();
    stage.settle();
    assert_eq!(stage.handler("Test.Last")["status"], "Ready");
    let entries: Vec<_> = stage.status().handlers.iter().map(|entry| entry["handlerName"].clone()).collect();
    assert_eq!(entries, ["Test.Last", "Test.Second", "Test.First"]);
}

#[test]
fn skips_what_depends_on_a_failure_and_nothing_else() {
    let stage = Stage::new();
    let bad = Handler::new("Test.Bad", "#!/bin/sh\nexit 1\n");
    stage.offer(&bad);
    let mut extensions = enabled(&stage, &["Test.Above", "Test.Beside"]);
    extensions[0].settings[0].dependency_level = 1;
    extensions.insert(0, bad.extension());
    stage.goal(1, extensions);
    stage.settle();
    assert_eq!(stage.handler("Test.Bad")["code"], 1007);
    assert_eq!(stage.handler("Test.Beside")["status"], "Ready");
    assert_eq!(stage.handler("Test.Above")["code"], -1);
    assert!(
        message(&stage, "Test.Above")
            .contains("since execution of dependent extension Test.Bad-1.0.0 failed")
    );
    assert!(!stage.root.state_path("Test.Above-1.0.0").exists());
}

#[test]
fn an_extension_without_settings_gets_an_empty_file_and_number_0() {
    let stage = Stage::new();
    let handler = Handler::new("Test.Bare", GOOD);
    stage.offer(&handler);
    stage.goal(1, vec![extension("Test.Bare", "1.0.0", None)]);
    stage.settle();
    assert_eq!(fs::read(stage.base(&handler).join("config/0.settings")).unwrap(), b"");
    assert_eq!(stage.operations(), "install 0 1.0.0\nenable 0 1.0.0\n");
    assert!(stage.handler("Test.Bare").get("runtimeSettingsStatus").is_none());
}

#[test]
fn reports_one_bad_extension_and_works_on_the_others() {
    let stage = Stage::new();
    let mut extensions =
        enabled(&stage, &["Test.Good", "Test.Twice", "Test.Word", "Test.Multi", "Test.Error"]);
    extensions.push(extension("test.TWICE", "1.0.0", Some(0)));
    extensions[2].state = "Exploded".into();
    extensions[3].multi_config = true;
    extensions[4].error = Some("several RuntimeSettings".to_owned());
    extensions.push(extension("WALinuxAgent", "1.0.0", Some(0)));
    stage.goal(1, extensions);
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
    for (name, code, why) in [
        ("Test.Twice", -1, "listed twice"),
        ("Test.Word", 1009, "Unknown requested state for Extension Test.Word: Exploded"),
        ("Test.Multi", -1, "multi-config"),
        ("Test.Error", -1, "Ran into config errors: several RuntimeSettings."),
        ("WALinuxAgent", -1, "no handler may be called"),
    ] {
        assert_eq!(stage.handler(name)["code"], code, "{name}");
        assert!(message(&stage, name).contains(why), "{name}: {}", message(&stage, name));
        assert_eq!(stage.own(name)["status"], "error", "{name}");
    }
    assert_eq!(stage.operations().lines().count(), 2);
}

#[test]
fn disabled_extensions_are_told_and_nothing_runs() {
    let stage = Stage::new();
    fs::write(stage.root.path("/etc/waagent.conf"), "Extensions.Enabled=n\n").unwrap();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["code"], 1009);
    assert!(message(&stage, "Test.Good").contains("set Extensions.Enabled=y in "));
    assert_eq!(stage.own("Test.Good")["status"], "error");
    let wanted: Wanted = stage.document();
    assert!(wanted.packages.is_empty() && stage.operations().is_empty());
}

#[test]
fn the_policy_file_decides_and_fails_closed() {
    let stage = Stage::new();
    fs::write(stage.root.path("/etc/waagent.conf"), "Debug.EnableExtensionPolicy=y\n").unwrap();
    let policy = stage.root.path("/etc/waagent_policy.json");
    fs::write(&policy, r#"{"policyVersion": "0.1.0", "extensionPolicies": {"allowListedExtensionsOnly": true, "extensions": {"TEST.good": {}}}}"#).unwrap();
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    stage.goal(1, enabled(&stage, &["Test.Good", "Test.Other"]));
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
    assert_eq!(stage.handler("Test.Other")["code"], 1009);
    assert!(message(&stage, "Test.Other").starts_with("Extension will not be processed: failed to run extension 'Test.Other' because it is not specified as an allowed extension."));
    let plan: Plan = stage.document();
    assert!(plan.steps[0].allowed && !plan.steps[1].allowed);
    fs::write(&policy, "{").unwrap();
    let mut removal = extension("Test.Good", "1.0.0", None);
    removal.state = "uninstall".into();
    stage.goal(2, vec![removal]);
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["code"], 1010);
    assert!(message(&stage, "Test.Good").contains("is invalid, please correct the following error"));
    assert_eq!(stage.operations().lines().count(), 2);
}

pub const THUMBPRINT: &str = "1BE9A13AA1321C7C515EF109746998BAB6D86FD1";

pub fn certificates(stage: &Stage, sealed: &str) {
    let row = CertificateRow {
        thumbprint: Thumbprint::try_from(THUMBPRINT).unwrap(),
        has_private_key: true,
        subject: String::new(),
        issuer: String::new(),
        not_after: String::new(),
        friendly_name: None,
        key_type: String::new(),
        state: CertificateState::Installed,
    };
    for kind in ["crt", "prv"] {
        fs::write(stage.root.state_path(format!("certs/{THUMBPRINT}.{kind}")), kind).unwrap();
    }
    let body = Certificates { certificates: vec![row], needs: None, mac: MacState::None, errors: Vec::new() };
    write(&stage.root, &body, &Inputs::new().digest("sealed-certificates", sealed), &Sandbox::unconfined())
        .unwrap();
}

#[test]
fn waits_for_the_certificate_of_protected_settings_and_links_it() {
    let stage = Stage::new();
    let mut extensions = enabled(&stage, &["Test.Sealed"]);
    extensions[0].settings[0].protected_settings = Some("MIIB".to_owned());
    extensions[0].settings[0].protected_settings_thumbprint = Some(THUMBPRINT.to_ascii_lowercase());
    let sealed = "ab".repeat(32);
    let digest = Sha256::try_from(sealed.as_str()).unwrap();
    stage.goal_with(1, extensions, |goal| goal.certificates_sha256 = Some(digest));
    assert!(stage.settle().contains("Test.Sealed-1.0.0 waits for its certificate, at most"));
    certificates(&stage, &sealed);
    stage.settle();
    assert_eq!(stage.handler("Test.Sealed")["status"], "Ready");
    let settings = fs::read_to_string(stage.root.state_path("Test.Sealed-1.0.0/config/0.settings")).unwrap();
    assert!(
        settings.contains(&format!(r#""protectedSettingsCertThumbprint": "{THUMBPRINT}""#)),
        "{settings}"
    );
    for kind in ["crt", "prv"] {
        let link = stage.root.state_path(format!("{THUMBPRINT}.{kind}"));
        assert_eq!(
            fs::read_link(&link).unwrap(),
            std::path::Path::new(&format!("certs/{THUMBPRINT}.{kind}"))
        );
        assert_eq!(fs::read_to_string(link).unwrap(), kind);
    }
    fs::remove_file(stage.root.state_path(format!("certs/{THUMBPRINT}.prv"))).unwrap();
    stage.goal(2, vec![extension("Test.Sealed", "1.0.0", Some(0))]);
    stage.settle();
    assert!(stage.root.state_path(format!("{THUMBPRINT}.prv")).symlink_metadata().is_err());
}

#[test]
fn a_certificate_that_will_not_come_is_named_when_the_extension_fails() {
    let stage = Stage::new();
    let handler = Handler::new("Test.Sealed", "#!/bin/sh\n[ $1 = install ] || exit 3\n");
    stage.offer(&handler);
    let mut sealed = handler.extension();
    sealed.settings[0].protected_settings = Some("MIIB".to_owned());
    sealed.settings[0].protected_settings_thumbprint = Some(THUMBPRINT.to_owned());
    stage.goal(1, vec![sealed.clone()]);
    stage.settle();
    assert_eq!(stage.handler("Test.Sealed")["code"], 1009);
    let text = message(&stage, "Test.Sealed");
    assert!(
        text.contains("code: 3")
            && text.contains(&format!("certificate {THUMBPRINT} for its protected settings")),
        "{text}"
    );
    assert!(stage.root.state_path("Test.Sealed-1.0.0/config/0.settings").exists());
    // Nor is it awaited for ever once a clock that was far ahead is set back.
    stage.goal_with(2, vec![sealed], |goal| goal.certificates_sha256 = "ab".repeat(32).try_into().ok());
    let path = stage.root.state_path("fetch/goal-state.json");
    let goal = fs::read_to_string(&path).unwrap();
    fs::write(&path, goal.replace(r#""written_at": "20"#, r#""written_at": "90"#)).unwrap();
    stage.settle();
    assert_eq!(stage.handler("Test.Sealed")["code"], 1009);
}

#[test]
fn a_damaged_goal_state_is_named_and_nothing_is_lost() {
    let stage = Stage::new();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.settle();
    let before = fs::read(stage.root.state_path("ext/status.json")).unwrap();
    let path = stage.root.state_path("fetch/goal-state.json");
    let good = fs::read_to_string(&path).unwrap();
    for bad in
        ["", "{", &good.replace("/goal-state/2", "/goal-state/3"), &good.replace("Test.Good", "../Good")]
    {
        fs::write(&path, bad).unwrap();
        let output = stage.planner().output().unwrap();
        assert_eq!(output.status.code(), Some(65), "{}", text(&output));
        assert!(text(&output).contains("goal-state.json"));
        assert_eq!(fs::read(stage.root.state_path("ext/status.json")).unwrap(), before);
    }
    fs::write(&path, good).unwrap();
    assert!(stage.settle().contains("nothing to do"));
}

/// Also one that isn't begun is answered: waagent-fetch takes silence for a fault.
#[test]
fn answers_every_goal_state_that_it_has_seen() {
    let stage = Stage::new();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    stage.settle();
    stage.goal_with(2, vec![extension("Test.Good", "1.0.0", Some(3))], |goal| goal.on_hold = true);
    stage.settle();
    let status = stage.status();
    assert_eq!((status.goal_state_id.as_deref(), status.complete), (Some("incarnation_2"), false));
    assert_eq!(status.goal_state_aggregate.unwrap()["inSvdSeqNo"], 1);
    assert_eq!(stage.handler("Test.Good")["status"], "Ready");
}

#[test]
fn asks_to_be_started_again_when_the_policy_file_appears_behind_the_sandbox() {
    let stage = Stage::new();
    fs::write(stage.root.path("/etc/waagent.conf"), "Debug.EnableExtensionPolicy=y\n").unwrap();
    let resident = crate::resident::Resident::start(&stage, 0);
    let policy = stage.root.path("/etc/waagent_policy.json");
    fs::write(
        &policy,
        r#"{"policyVersion": "0.1.0", "extensionPolicies": {"allowListedExtensionsOnly": true}}"#,
    )
    .unwrap();
    stage.goal(1, enabled(&stage, &["Test.Good"]));
    assert_eq!(resident.ends_with(), 0);
    stage.settle();
    assert_eq!(stage.handler("Test.Good")["code"], 1009);
    assert_eq!(stage.operations(), "");
}

#[test]
fn asks_for_a_folder_to_execute_from_as_long_as_the_configuration_says() {
    let stage = Stage::new();
    let flag = stage.root.runtime_path("ext/exec-mount");
    let configuration = stage.root.path("/etc/waagent.conf");
    stage.plan();
    assert!(!flag.exists());
    fs::write(&configuration, "Extensions.ExecMount=y\n").unwrap();
    stage.plan();
    assert_eq!(fs::metadata(&flag).unwrap().permissions().mode() & 0o777, 0o644);
    fs::write(&configuration, "Extensions.ExecMount=n\n").unwrap();
    stage.plan();
    assert!(!flag.exists());
}

/// Handlers make the names of a certificate's files of it.
#[test]
fn refuses_a_thumbprint_that_is_a_path() {
    for (thumbprint, status) in
        [("../../../etc/shadow", "NotReady"), ("A/B", "NotReady"), ("ab12", "Ready"), ("", "Ready")]
    {
        let stage = Stage::new();
        let mut asked = enabled(&stage, &["Test.Good"]);
        asked[0].settings[0].protected_settings_thumbprint = Some(thumbprint.to_owned());
        stage.goal(1, asked);
        stage.settle();
        assert_eq!(stage.handler("Test.Good")["status"], status, "{thumbprint}");
        assert_eq!(stage.operations().is_empty(), status != "Ready", "{thumbprint}");
    }
}
