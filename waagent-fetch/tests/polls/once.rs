//! Single polls: what comes of them, and what a second one changes.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use waagent_common::documents::{
    CertificateCipher, Certificates, Cursor, FetchStatus, GoalState, GoalStateSource, Health, HealthState,
    Inputs, MacState, ProvisionStatus, SealedCertificates, Transport, TransportProblem, Uris, Wanted,
    path_of,
};
use waagent_fabric::fault::Act;
use waagent_fabric::route::Route;
use waagent_fabric::scenario::Scenario;
use waagent_support::network::FETCHER;

use super::machine::{Machine, SCENARIO, said};

pub fn provisioned(state: &str, description: &str) -> ProvisionStatus {
    serde_json::from_value(serde_json::json!({
        "state": state, "description": description, "vm_id": "4a1c0de0-0000-4000-8000-00000000002a",
        "ssh_host_key_fingerprint": "SHA256:abc+/d", "outcome": "done", "agent": "waagent", "instance_id": "i",
        "reason": null, "errors": [], "steps": [], "host_keys": [], "hostname": null, "user": null, "warnings": [],
        "waits_for": [], "uptime_s": 7,
    }))
    .unwrap()
}

#[test]
fn one_poll_leaves_the_goal_state_its_certificates_and_a_health_report() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let transport = machine.transport();
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    let sealed = machine.document::<SealedCertificates>();
    assert_eq!(sealed.body.cipher_requested, CertificateCipher::Aes);
    assert_eq!(sealed.body.transport_thumbprint.as_str(), transport.thumbprint().unwrap());
    assert!(sealed.body.data_base64.is_some_and(|data| data.len() > 1000 && !data.contains('\n')));
    let goal_state = machine.document::<GoalState>();
    assert_eq!(
        (goal_state.body.id.as_str(), goal_state.body.source),
        ("incarnation_1", GoalStateSource::Fabric)
    );
    assert_eq!(goal_state.body.certificates_sha256.unwrap().as_str(), sealed.digest);
    assert_eq!(goal_state.inputs.get("sealed-certificates"), Some(&sealed.digest));
    assert_eq!(goal_state.body.vm_name.as_deref(), Some("plum-07"));
    assert!(goal_state.body.own_instance.is_some());
    let extension = goal_state.body.extensions.first().unwrap();
    assert_eq!(
        (extension.name.as_str(), extension.settings.first().unwrap().sequence_number),
        ("Test.One", 3)
    );
    let uris = machine.document::<Uris>();
    assert!(uris.body.status_blob.unwrap().uri.contains("CANARY-SAS"));
    assert_eq!(uris.body.extensions.first().unwrap().manifests.len(), 3);
    let mode = fs::metadata(machine.lib("fetch/private/goal-state-uris.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let record = machine.fabric.record();
    let health = record.health.first().unwrap();
    assert_eq!((health.sub_status.as_str(), health.accepted), ("Provisioning", true));
    assert!(fs::read_to_string(machine.lib("fetch/SharedConfig.xml")).unwrap().contains("<SharedConfig"));
    assert_eq!(machine.document::<FetchStatus>().body.state.to_string(), "goal state 1");
}

/// Every connection to the platform was opened by uid 0; the fetcher has another user.
#[test]
fn asks_in_the_order_of_need_with_the_headers_of_the_protocol() {
    let Some(machine) = Machine::new(&format!("require_uid0_opener = true\n{SCENARIO}")) else { return };
    machine.transport();
    assert_eq!(machine.once().0, 0);
    let record = machine.fabric.record();
    let routes: Vec<Route> = record.exchanges.iter().map(|exchange| exchange.route).collect();
    let expected = [
        Route::Versions,
        Route::GoalState,
        Route::Health,
        Route::VmSettings,
        Route::Certificates,
        Route::ExtensionsConfig,
        Route::HostingEnvironment,
        Route::SharedConfig,
    ];
    assert_eq!(routes.get(..expected.len()).unwrap(), expected);
    assert!(record.exchanges.iter().all(|exchange| exchange.opener_uid == Some(0)));
    for exchange in &record.exchanges {
        assert_eq!(exchange.header("user-agent"), Some("WALinuxAgent/2.15.0.1001"), "{exchange:?}");
        assert_eq!(exchange.header("accept-encoding"), Some("identity"));
        assert_eq!(exchange.header("accept"), None);
    }
    let certificates = record.of(Route::Certificates).next().unwrap();
    assert_eq!(certificates.header("x-ms-version"), Some("2012-11-30"));
    assert_eq!(certificates.header("x-ms-agent-name"), Some("WALinuxAgent"));
    assert_eq!(certificates.header("x-ms-cipher-name"), Some("AES128_CBC"));
}

/// All that a package and a status ask of the host's plugin is in the real gate's table.
#[test]
fn a_package_comes_by_the_hosts_plugin_where_storage_is_closed() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    assert_eq!(machine.once().0, 0);
    let wanted = serde_json::json!({
        "goal_state_id": "incarnation_1", "packages": [{"name": "Test.One", "version": "1.0.0", "attempt": 1}],
    });
    machine.put(&serde_json::from_value::<Wanted>(wanted).unwrap(), &Inputs::new());
    machine.break_route(Route::StorageGet, Act::Status { code: 404, retry_after: None, text: None });
    let (code, text) = machine.once();
    assert!(code == 0 && text.contains("1 package fetched"), "{code} {text}");
    let record = machine.fabric.record();
    let artifact = record.of(Route::ExtensionArtifact).last().unwrap();
    assert!(artifact.header("x-ms-artifact-manifest-location").is_some() && artifact.status == 200);
    assert!(artifact.header("host").is_some() && artifact.header("connection") == Some("close"));
}

/// The gate reads the document anew for each request; the fetcher has read it a moment before.
#[test]
fn a_transport_certificate_that_the_gate_does_not_know_brings_none() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    // Nobody but the fetcher can read this one.
    let path = path_of::<Transport>(&machine.root());
    std::os::unix::fs::chown(&path, Some(FETCHER), None).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    let (_, text) = machine.once();
    assert!(
        text.contains("the gate lets no such request pass to WireServer: no certificate to compare with"),
        "{text}"
    );
    assert_eq!(machine.count(Route::Certificates), 0);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.count(Route::Certificates), 1);
}

#[test]
fn a_proxy_in_its_own_environment_is_said_to_do_nothing() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let mut command = machine.fetcher(&["--once"]);
    let (_, text) = said(command.env("https_proxy", "http://u:CANARY@proxy:1"));
    assert!(text.contains("'https_proxy' does nothing here") && !text.contains("CANARY"), "{text}");
    assert!(!machine.once().1.contains("_proxy"));
}

#[test]
fn a_second_poll_changes_nothing_and_asks_for_no_certificates() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    assert_eq!(machine.once().0, 0);
    let before = machine.files();
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    assert_eq!(machine.files(), before, "{text}");
    assert_eq!(machine.count(Route::Certificates), 1);
    assert_eq!(machine.count(Route::Health), 1);
}

#[test]
fn tells_ready_and_the_host_key_once() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.put(&provisioned("ready", ""), &Inputs::new());
    for _ in 0..2 {
        assert_eq!(machine.once().0, 0);
    }
    let record = machine.fabric.record();
    assert_eq!(record.health.iter().filter(|report| report.state == "Ready" && report.accepted).count(), 1);
    assert_eq!(record.health.len(), 1);
    let property = record.role_properties.first().unwrap();
    assert_eq!((property.name.as_str(), property.value.as_str()), ("CertificateThumbprint", "SHA256abc+/d"));
    assert_eq!(record.role_properties.len(), 1);
    let health = machine.document::<Health>().body;
    assert_eq!((health.state, health.http_status, health.unsent), (HealthState::Ready, Some(200), None));
}

#[test]
fn tells_why_provisioning_failed_without_signatures_and_control_characters() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let text = format!("result=error|reason=<x> & \u{1}y|url=https://a/b?sig=CANARY|{}", "ä".repeat(2000));
    machine.put(&provisioned("failed", &text[..4000]), &Inputs::new());
    assert_eq!(machine.once().0, 0);
    let record = machine.fabric.record();
    let report = record.health.first().unwrap();
    assert_eq!((report.state.as_str(), report.sub_status.as_str()), ("NotReady", "ProvisioningFailed"));
    assert!(
        report.description.contains("reason=<x> & y|url=https://a/b?<redacted>"),
        "{}",
        report.description
    );
    assert!(report.description.len() <= 3500);
    // A later pass can still succeed.
    machine.put(&provisioned("ready", ""), &Inputs::new());
    assert_eq!(machine.once().0, 0);
    assert!(machine.fabric.record().is_ready());
}

/// No success is claimed that the platform didn't give.
#[test]
fn says_what_the_platform_answered_to_a_report() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.put(&provisioned("ready", ""), &Inputs::new());
    for status in [400, 410, 503] {
        machine.break_route(Route::Health, Act::Status { code: status, retry_after: None, text: None });
        let (code, text) = machine.once();
        assert_eq!(code, 75, "{text}");
        assert!(text.contains(&format!("status {status}")), "{text}");
        let health = machine.document::<Health>().body;
        assert_eq!(health.http_status, Some(status));
        assert!(health.unsent.is_some());
    }
    machine.repair();
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.document::<Health>().body.unsent, None);
}

#[test]
fn never_says_ready_on_the_word_of_a_damaged_document() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.put(&provisioned("ready", ""), &Inputs::new());
    let path = machine.lib("provision/status.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"ready\"", "\"readyy\"");
    fs::write(&path, text).unwrap();
    let (_, text) = machine.once();
    assert!(text.contains("provision/status.json"), "{text}");
    let record = machine.fabric.record();
    assert!(!record.is_ready());
    assert!(record.health.first().unwrap().description.contains("provision/status.json"));
}

#[test]
fn a_crash_of_the_last_pass_reaches_the_platform_and_one_of_the_first_pass_may_still_heal() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let killed = |unit: &str| {
        let mut command = machine.fetcher(&["failed", unit]);
        command.env("MONITOR_SERVICE_RESULT", "signal").env("MONITOR_EXIT_CODE", "killed");
        let (code, text) = said(command.env("MONITOR_EXIT_STATUS", "SEGV"));
        assert_eq!(code, 0, "{text}");
        assert_eq!(machine.once().0, 0);
    };
    killed("waagent-provision.service");
    let told: Vec<_> = machine.fabric.record().health.iter().map(|it| it.sub_status.clone()).collect();
    assert_eq!(told, ["Provisioning"]);
    killed("waagent-provision-late.service");
    let record = machine.fabric.record();
    let report = record.health.last().unwrap();
    assert_eq!(report.sub_status, "ProvisioningFailed");
    assert_eq!(
        report.description,
        "waagent-provision-late.service failed without a report: signal (killed SEGV)"
    );
}

#[test]
fn a_failure_is_told_once_whatever_a_later_pass_fails_at_and_success_after_it() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let told = |state: &str, why: &str| {
        machine.put(&provisioned(state, why), &Inputs::new());
        assert_eq!(machine.once().0, 0);
        let record = machine.fabric.record();
        record.health.iter().map(|it| (it.sub_status.clone(), it.description.clone())).collect::<Vec<_>>()
    };
    let failed = ("ProvisioningFailed".to_owned(), "the first reason".to_owned());
    for why in ["the first reason", "another reason"] {
        assert_eq!(told("failed", why), std::slice::from_ref(&failed), "{why}");
    }
    assert_eq!(told("ready", "").len(), 2);
    assert!(machine.fabric.record().is_ready());
}

#[test]
fn notes_no_unit_but_our_own() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    for unit in ["../../etc/x.service", "sshd.service", "waagent/x", ""] {
        let (code, text) = said(&mut machine.fetcher(&["failed", unit]));
        assert_eq!(code, 64, "{text}");
    }
    assert_eq!(machine.files(), []);
}

#[test]
fn the_goal_state_comes_also_before_there_is_a_transport_certificate_which_is_asked_for() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let is_asked_for = || path_of::<TransportProblem>(&machine.root()).exists();
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("no certs/transport.json yet"), "{text}");
    assert_eq!(machine.count(Route::Certificates), 0);
    assert_eq!(machine.document::<GoalState>().body.certificates_sha256, None);
    assert_eq!(machine.document::<TransportProblem>().body.reason, "there is none");
    machine.transport();
    assert_eq!(machine.once().0, 0);
    assert!(machine.document::<GoalState>().body.certificates_sha256.is_some());
    assert!(!is_asked_for());
}

#[test]
fn a_transport_certificate_in_a_damaged_document_is_asked_for() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let transport = machine.lib("certs/transport.json");
    fs::write(&transport, "{").unwrap();
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    let reason = machine.document::<TransportProblem>().body.reason;
    assert!(reason.contains("transport.json"), "{reason}");
}

#[test]
fn asks_for_the_other_cipher_when_the_keeper_of_keys_needs_it_once() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    assert_eq!(machine.once().0, 0);
    let needs = || {
        let body = Certificates {
            certificates: Vec::new(),
            needs: Some(CertificateCipher::TripleDes),
            mac: MacState::None,
            errors: vec!["could not be unsealed".to_owned()],
        };
        machine.put(&body, &Inputs::new().document(&machine.document::<SealedCertificates>()));
    };
    needs();
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.document::<SealedCertificates>().body.cipher_requested, CertificateCipher::TripleDes);
    needs();
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.count(Route::Certificates), 2);
}

#[test]
fn a_moved_machine_gets_new_certificates_under_the_same_incarnation() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    assert_eq!(machine.once().0, 0);
    let scenario =
        format!("{SCENARIO}\n[[then]]\nafter = \"manual\"\nincarnation = 1\ncontainer_id = \"moved-0001\"");
    machine.fabric.change(Scenario::parse(&scenario).unwrap().then.first().unwrap()).unwrap();
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.document::<GoalState>().body.container_id, "moved-0001");
    assert_eq!(machine.document::<SealedCertificates>().body.container_id, "moved-0001");
    assert_eq!(machine.count(Route::Certificates), 2);
}

#[test]
fn fast_track_wins_while_it_is_newer_and_its_end_runs_nothing_older() {
    let scenario = format!(
        "{SCENARIO}\n[vm_settings]\nsupported = true\n[[then]]\nafter = \"manual\"\nchannel = \"fast-track\"\n\
         [[then.extension]]\nname = \"Test.One\"\nversion = \"1.0.0\"\npackage = \"trivial\"\n\
         settings = {{ seq_no = 4 }}\n[[then]]\nafter = \"manual\"\nincarnation = 1\nvm_settings_supported = false"
    );
    let Some(machine) = Machine::new(&scenario) else { return };
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.document::<GoalState>().body.source, GoalStateSource::Fabric);
    assert!(machine.fabric.next_goal_state().unwrap());
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    let goal_state = machine.document::<GoalState>().body;
    assert_eq!(goal_state.source, GoalStateSource::FastTrack, "{text}");
    assert_eq!(goal_state.id, format!("etag_{}", goal_state.etag.clone().unwrap()));
    assert_eq!(goal_state.extensions.first().unwrap().settings.first().unwrap().sequence_number, 4);
    assert_eq!(machine.document::<Cursor>().body.fast_track_created_on, Some(goal_state.created_on));
    assert_eq!(machine.document::<FetchStatus>().body.state.to_string(), "goal state 1, fast track");
    // The machine moves to a host that doesn't know the channel: what the WireServer has is older.
    machine.break_route(Route::VmSettings, Act::Status { code: 404, retry_after: None, text: None });
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    let goal_state = machine.document::<GoalState>().body;
    assert_eq!((goal_state.source, goal_state.outdated), (GoalStateSource::Fabric, true), "{text}");
    assert_eq!(machine.document::<Cursor>().body.fast_track_created_on, None);
    // And stays so over a restart.
    assert_eq!(machine.once().0, 0);
    assert!(machine.document::<GoalState>().body.outdated);
}

#[test]
fn a_profile_on_hold_is_said_in_the_goal_state() {
    let Some(machine) = Machine::new(&format!("[goal_state]\non_hold = true\n{SCENARIO}")) else { return };
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    assert!(machine.document::<GoalState>().body.on_hold, "{text}");
    machine.fabric.publish("/profile/artifacts.json", b"{\"onHold\": 7}".to_vec());
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("'onHold' is neither true nor false, using 'not on hold'"), "{text}");
    assert!(!machine.document::<GoalState>().body.on_hold);
}

#[test]
fn no_signature_is_in_anything_but_the_private_folder() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    machine.break_route(Route::HostPluginStatus, Act::Status { code: 500, retry_after: None, text: None });
    let (_, text) = machine.once();
    assert!(!text.contains("CANARY"), "{text}");
    for (path, _) in machine.files() {
        let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let is_private = path.ends_with("private/goal-state-uris.json");
        assert_eq!(content.contains("CANARY-SAS"), is_private, "{}", path.display());
    }
}
