//! A platform that fails: the exit status and the text say how, the last good documents stay, the next poll heals.

use std::fs;
use std::path::Path;

use waagent_common::documents::{FetchState, FetchStatus, GoalState, SealedCertificates};
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::route::Route;

use super::machine::{Machine, SCENARIO};

fn status(code: u16) -> Act {
    Act::Status { code, retry_after: None, text: Some("try https://a/b?sig=CANARY later".to_owned()) }
}

fn body(text: &str) -> Act {
    Act::Body { text: text.to_owned() }
}

/// With this fault a poll fails with the code and the text, and leaves all as it was; without it, it succeeds.
fn refuses(machine: &Machine, route: Route, act: Act, code: i32, why: &str) {
    let name = act.name();
    let before = goal_state(machine);
    machine.break_route(route, act);
    let (ended, text) = machine.once();
    assert_eq!(ended, code, "{name}: {text}");
    assert!(text.contains(why), "{name}: {text}");
    assert!(!text.contains("CANARY"), "{text}");
    assert_eq!(goal_state(machine), before, "{name}");
    assert!(machine.document::<FetchStatus>().body.error.is_some_and(|error| error.contains(why)));
    machine.repair();
}

fn goal_state(machine: &Machine) -> Vec<u8> {
    fs::read(machine.lib("fetch/goal-state.json")).unwrap_or_default()
}

#[test]
fn every_fault_of_a_goal_state_is_named_and_leaves_the_last_one() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    assert_eq!(machine.once().0, 0);
    for (act, code, why) in [
        (status(500), 75, "goal state: status 500: try https://a/b?<redacted>"),
        (status(429), 75, "goal state: status 429"),
        (status(403), 75, "azure-proxy-agent"),
        (status(404), 76, "goal state: status 404"),
        (status(302), 76, "goal state: status 302"),
        (Act::ResetBefore, 75, "goal state: "),
        (Act::ResetInBody { after: 100 }, 75, "goal state: "),
        (Act::Truncate { keep: 200 }, 75, "goal state: "),
        (Act::WrongLength { length: 100_000 }, 75, "goal state: "),
        (Act::WrongLength { length: 10 }, 76, "goal state: "),
        (Act::BadChunking, 75, "goal state: "),
        (Act::EndlessBody, 76, "more than the 1048576 bytes allowed"),
        (Act::Oversize { bytes: 2 << 20 }, 76, "more than the 1048576 bytes allowed"),
        (body("{\"no\": \"xml\"}"), 76, "goal state: text outside the root element at line 1"),
        (body(""), 76, "goal state: no element at all"),
        (
            Act::Header { name: "Content-Encoding".to_owned(), value: "gzip".to_owned() },
            75,
            "content encoding",
        ),
    ] {
        refuses(&machine, Route::GoalState, act, code, why);
    }
    assert_eq!(machine.once().0, 0);
}

#[test]
fn takes_what_is_odd_but_harmless() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    for act in [Act::ByteOrderMark, Act::Chunked, Act::Delay { ms: 50 }, Act::SlowDrip { bytes: 200, ms: 5 }]
    {
        machine.break_route(Route::GoalState, act);
        let (code, text) = machine.once();
        assert_eq!(code, 0, "{text}");
    }
}

/// A host that sends a byte now and then is given up after the time of the request, here 10 s.
#[test]
fn gives_up_on_a_slow_drip() {
    let Some(machine) = Machine::new(&format!("{SCENARIO}\n[vm_settings]\nsupported = true")) else { return };
    machine.break_route(Route::VmSettings, Act::SlowDrip { bytes: 1, ms: 500 });
    let (code, text) = machine.once();
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("vmSettings: no complete answer within 10 s"), "{text}");
}

#[test]
fn refuses_each_hostile_goal_state_by_name() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut seen = 0;
    for (file, why) in [
        ("goal_state_document_type.xml", "document type not allowed"),
        ("goal_state_entity_bomb.xml", "document type not allowed"),
        ("goal_state_too_deep.xml", "nested deeper than the 16 levels allowed"),
        ("goal_state_unclosed.xml", "isn't closed"),
        ("goal_state_wrong_root.xml", "root element 'Goalstate', not 'GoalState'"),
        ("goal_state_without_container.xml", "element 'Container/ContainerId': missing"),
        ("goal_state_without_incarnation.xml", "element 'Incarnation': missing"),
        ("goal_state_header_injection.xml", "element 'Container/ContainerId': no printable ASCII"),
        ("goal_state_two_roots.xml", "second root element"),
        ("goal_state_external_entity.xml", "unknown entity: 'passwd'"),
    ] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        refuses(&machine, Route::GoalState, body(&text), 76, why);
        seen += 1;
    }
    let files = fs::read_dir(&folder).unwrap();
    let all = files
        .filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().starts_with("goal_state_"))
        .count();
    assert_eq!(seen, all, "each hostile file has a test");
}

#[test]
fn refuses_parts_that_lead_elsewhere() {
    // The host's plugin would notice the invented ids first.
    let Some(machine) = Machine::configured(SCENARIO, "Debug.EnableFastTrack=n\n") else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let text = fs::read_to_string(folder.join("elsewhere_goal_state.xml")).unwrap();
    refuses(
        &machine,
        Route::GoalState,
        body(&text),
        76,
        "ExtensionsConfig: 'http://10.0.0.1/machine': its host isn't",
    );
}

#[test]
fn a_damaged_extensions_config_keeps_the_old_and_still_gives_the_certificates() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    machine.break_route(Route::ExtensionsConfig, body("<Extensions><Plugins></Extensions>"));
    let (code, text) = machine.once();
    assert_eq!(code, 76, "{text}");
    assert!(text.contains("ExtensionsConfig: "), "{text}");
    assert!(machine.document::<SealedCertificates>().body.data_base64.is_some());
    assert!(!machine.lib("fetch/goal-state.json").exists());
    machine.repair();
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.document::<GoalState>().body.extensions.len(), 1);
}

#[test]
fn certificates_that_cannot_be_had_stop_nothing() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.transport();
    for (act, why) in [
        (status(500), "certificates: status 500"),
        (body("<CertificateFile><Data>?</Data></CertificateFile>"), "element 'Data': no base64"),
        (
            body("<CertificateFile><Format>Other</Format><Data>TUlJ</Data></CertificateFile>"),
            "format 'Other'",
        ),
        (body("<Other/>"), "root element 'Other'"),
        (Act::EndlessBody, "more than the 6291456 bytes"),
    ] {
        machine.break_route(Route::Certificates, act);
        let (code, text) = machine.once();
        assert_eq!(code, 0, "{text}");
        assert!(text.contains(why), "{text}");
        assert!(!machine.lib("fetch/certificates.json").exists());
    }
    machine.break_route(Route::Certificates, body("<CertificateFile><Version>1</Version></CertificateFile>"));
    assert_eq!(machine.once().0, 0);
    assert_eq!(machine.document::<SealedCertificates>().body.data_base64, None);
}

#[test]
fn a_goal_state_that_moves_on_meanwhile_is_asked_for_again() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    machine.fault(Route::ExtensionsConfig, 1, status(410));
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    assert_eq!(machine.count(Route::GoalState), 2);
    // Once in a poll, and never in a loop.
    machine.fault(Route::ExtensionsConfig, 0, status(410));
    let (code, text) = machine.once();
    assert_eq!(code, 75, "{text}");
    assert_eq!(machine.count(Route::GoalState), 4);
}

#[test]
fn a_goal_state_without_role_instance_is_asked_for_six_times() {
    let Some(machine) = Machine::new(&format!("[goal_state]\nwithout_role_instance = 3\n{SCENARIO}")) else {
        return;
    };
    let (code, text) = machine.once();
    assert_eq!(code, 0, "{text}");
    assert_eq!(machine.count(Route::GoalState), 4);
}

#[test]
fn broken_vm_settings_hold_the_poll_back() {
    let Some(machine) = Machine::new(&format!("{SCENARIO}\n[vm_settings]\nsupported = true")) else { return };
    assert_eq!(machine.once().0, 0);
    for (act, code, why) in [
        (status(502), 75, "vmSettings: status 502"),
        (body("{"), 76, "vmSettings: EOF"),
        (body("[]"), 76, "vmSettings: no JSON object"),
        (status(304), 76, "vmSettings: status 304"),
    ] {
        refuses(&machine, Route::VmSettings, act, code, why);
    }
    assert_eq!(machine.once().0, 0);
}

#[test]
fn a_silent_platform_is_75_and_an_unknown_protocol_76() {
    let Some(machine) = Machine::new(SCENARIO) else { return };
    let only = "<Versions><Supported><Version>2099-01-01</Version></Supported></Versions>";
    machine.break_route(Route::Versions, body(only));
    let (code, text) = machine.once();
    assert_eq!(code, 76, "{text}");
    assert_eq!(machine.document::<FetchStatus>().body.state, FetchState::UnsupportedPlatform);
    machine.fabric.set_faults(vec![Fault {
        route: None,
        path: None,
        after: 0,
        count: 0,
        act: Act::ResetBefore,
    }]);
    assert_eq!(machine.once().0, 75);
    machine.repair();
    fs::remove_file(machine.root().runtime_path("gate/gate.sock")).unwrap();
    let (code, text) = machine.once();
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("systemctl start waagent-gate.socket"), "{text}");
    assert_eq!(machine.document::<FetchStatus>().body.state, FetchState::Silent);
}
