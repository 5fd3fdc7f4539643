use super::*;

const STAMP: &str = "2026-01-31T08:00:00Z";

fn os() -> Os {
    Os { name: "azurelinux".to_owned(), version: "3.0".to_owned() }
}

fn handler(name: &str, substatus: Option<Value>) -> Value {
    let mut status =
        json!({"name": name, "status": "success", "code": 0, "formattedMessage": message("done")});
    if let Some(substatus) = substatus {
        status["substatus"] = substatus;
    }
    json!({
        "handlerVersion": "2.1.13", "handlerName": name, "status": "Ready", "code": 0, "useExactVersion": true,
        "runtimeSettingsStatus": {"sequenceNumber": 5, "settingsStatus": {"version": 1.0, "status": status}},
    })
}

fn rendered(facts: &mut Facts) -> Value {
    serde_json::from_slice(&render(facts, &os(), STAMP).unwrap()).unwrap()
}

#[test]
fn makes_the_text_that_the_platform_expects() {
    let mut facts = Facts {
        handlers: vec![handler("A.B", None), json!({"handlerName": "C.D", "status": "NotReady"})],
        goal_state: Some(json!({"status": "Success", "code": 0, "inSvdSeqNo": "9"})),
        fast_track: true,
        computer: "vm1".to_owned(),
        ..Facts::default()
    };
    let text = rendered(&mut facts);
    assert_eq!((&text["version"], &text["timestampUTC"]), (&json!("1.1"), &json!(STAMP)));
    let aggregate = &text["aggregateStatus"];
    assert_eq!(
        aggregate["guestAgentStatus"],
        json!({"version": AGENT_VERSION, "status": "Ready", "formattedMessage": message("Guest Agent is running")})
    );
    let handlers = &aggregate["handlerAggregateStatus"];
    assert_eq!(handlers[0]["runtimeSettingsStatus"]["settingsStatus"]["timestampUTC"], STAMP);
    assert_eq!(handlers[1], json!({"handlerName": "C.D", "status": "NotReady"}));
    assert_eq!(aggregate["vmArtifactsAggregateStatus"]["goalStateAggregateStatus"]["inSvdSeqNo"], "9");
    assert_eq!(
        text["guestOSInfo"],
        json!({"computerName": "vm1", "osName": "azurelinux", "osVersion": "3.0", "version": AGENT_VERSION})
    );
    assert_eq!(text["supportedFeatures"], json!([{"Key": "FastTrack", "Value": "1.0"}]));
}

#[test]
fn leaves_out_what_isnt_there_and_never_offers_to_update_itself() {
    let text = rendered(&mut Facts::default());
    assert_eq!(text["supportedFeatures"], json!([]));
    assert_eq!(text["aggregateStatus"]["handlerAggregateStatus"], json!([]));
    assert!(text["aggregateStatus"].get("vmArtifactsAggregateStatus").is_none());
    assert!(text["aggregateStatus"]["guestAgentStatus"].get("updateStatus").is_none());
    assert!(!text.to_string().contains("VersioningGovernance"));
}

#[test]
fn says_truthfully_why_another_version_isnt_installed() {
    let family = |version: &str, from_rsm, enabled| AgentFamily {
        name: "Prod".to_owned(),
        version: Some(version.to_owned()),
        is_version_from_rsm: from_rsm,
        is_vm_enabled_for_rsm_upgrades: enabled,
    };
    assert_eq!(Update::of(&[family("9.9.9.9", Some(true), None)], "Prod"), None);
    assert_eq!(Update::of(&[family("9.9.9.9", Some(true), Some(true))], "Test"), None);
    assert_eq!(Update::of(&[family(AGENT_VERSION, Some(true), Some(true))], "Prod"), Some(Update::Done));
    assert_eq!(Update::of(&[family("9.9.9.9", Some(false), Some(true))], "Prod"), Some(Update::Done));
    let update = Update::of(&[family("9.9.9.9", Some(true), Some(true))], "Prod");
    let text = rendered(&mut Facts { update, ..Facts::default() });
    let status = &text["aggregateStatus"]["guestAgentStatus"]["updateStatus"];
    assert_eq!((&status["expectedVersion"], &status["code"]), (&json!(AGENT_VERSION), &json!(1)));
    assert!(
        status["formattedMessage"]["message"].as_str().unwrap().contains("RSM asked for version 9.9.9.9")
    );
}

#[test]
fn no_signature_leaves_the_machine_in_any_text() {
    let signed = "see https://a/b?sv=1&sig=CANARY\" and https://c/d?sig=CANARY";
    let mut facts = Facts {
        handlers: vec![handler("A.B", Some(json!([{"name": "x", "formattedMessage": {"message": signed}}])))],
        goal_state: Some(json!({"formattedMessage": {"message": signed}})),
        ..Facts::default()
    };
    let text = rendered(&mut facts).to_string();
    assert!(!text.contains("CANARY") && text.contains("https://a/b?<redacted>"), "{text}");
}

#[test]
fn cuts_the_largest_substatus_first_and_says_so() {
    let list = |size: usize| json!([{"name": "StdOut", "formattedMessage": {"message": "x".repeat(size)}}]);
    let mut facts = Facts {
        handlers: vec![handler("Small", Some(list(300 << 10))), handler("Large", Some(list(800 << 10)))],
        ..Facts::default()
    };
    let text = rendered(&mut facts);
    assert!(text.to_string().len() <= 1 << 20);
    let status = |at: usize| {
        text["aggregateStatus"]["handlerAggregateStatus"][at]["runtimeSettingsStatus"]["settingsStatus"]["status"].clone()
    };
    assert!(status(0).get("substatus").is_some() && status(1).get("substatus").is_none());
    let said = status(1)["formattedMessage"]["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with("done [substatus left out"), "{said}");
}

#[test]
fn refuses_a_text_that_cant_be_made_small_enough() {
    let mut facts = Facts { handlers: vec![json!({"handlerName": "x".repeat(2 << 20)})], ..Facts::default() };
    assert!(render(&mut facts, &os(), STAMP).unwrap_err().text.contains("more than the 1048576 allowed"));
}
