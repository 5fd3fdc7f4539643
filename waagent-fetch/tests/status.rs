//! The status at a fabric: block and page blobs, both channels, and when it is sent.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test tooling: it may say what it means")]

use std::time::Duration;

use serde_json::{Value, json};
use waagent_common::config::Config;
use waagent_common::documents::{Document, GoalState, Uris};
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::route::Route;
use waagent_fetch::packages::channels::Channel;
use waagent_fetch::status::{Next, Sent, Uploader, send};

use support::Stand;

mod support;

fn uploader(stand: &Stand) -> Uploader {
    Uploader::new(&stand.root, &Config::load(stand.root.root(), None).unwrap())
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_000_000 + seconds)
}

/// Prepares, sends and notes, as the loop does. Nothing: nothing was due.
fn poll(stand: &Stand, uploader: &mut Uploader, now: u64) -> Option<(Sent, Next)> {
    let upload = uploader.prepare(true, at(now))?;
    let sent = send(&stand.root, &stand.client, &stand.settings, &upload);
    let next = uploader.note(&upload, &sent, at(now), 20);
    Some((sent, next))
}

fn handler(message: &str) -> Value {
    json!({
        "handlerVersion": "1.0.0", "handlerName": "Test.One", "status": "Ready", "code": 0, "useExactVersion": true,
        "runtimeSettingsStatus": {"sequenceNumber": 0, "settingsStatus": {"version": 1.0, "status": {
            "name": "Test.One", "status": "success", "code": 0, "formattedMessage": {"lang": "en-US", "message": message},
        }}},
    })
}

fn blob(stand: &Stand) -> Vec<u8> {
    let path = stand.fabric.look(|platform| platform.storage.status_path.clone());
    stand.fabric.blob(&path).expect("no status blob")
}

const CLOSED: Act = Act::Status { code: 500, retry_after: None, text: None };

#[test]
fn writes_both_kinds_of_blobs_by_both_channels() {
    for kind in ["BlockBlob", "PageBlob"] {
        for (closed, channel) in
            [(None, Channel::HostGaPlugin), (Some(Route::HostPluginStatus), Channel::Direct)]
        {
            let stand = Stand::new("http", kind);
            if let Some(route) = closed {
                stand.break_routes(&[route], &CLOSED);
            }
            stand.report(vec![handler("done")]);
            let mut uploader = uploader(&stand);
            let (sent, next) = poll(&stand, &mut uploader, 0).unwrap();
            assert_eq!((sent, next), (Sent::Taken(channel), Next::Nothing), "{kind}");
            let bytes = blob(&stand);
            assert_eq!(bytes.len().is_multiple_of(512), kind == "PageBlob", "{kind} {}", bytes.len());
            let text: Value = serde_json::from_slice(&bytes).unwrap();
            let handlers = &text["aggregateStatus"]["handlerAggregateStatus"];
            assert_eq!(handlers[0]["handlerName"], "Test.One");
            assert!(handlers[0]["runtimeSettingsStatus"]["settingsStatus"]["timestampUTC"].is_string());
            let uploads = stand.fabric.record().status_uploads;
            assert!(uploads.iter().all(|upload| upload.error.is_none()) && !uploads.is_empty());
        }
    }
}

#[test]
fn a_shorter_status_leaves_nothing_of_a_longer_one() {
    let stand = Stand::new("http", "PageBlob");
    stand.report(vec![handler(&"x".repeat(4000))]);
    let mut uploader = uploader(&stand);
    poll(&stand, &mut uploader, 0).unwrap();
    let long = blob(&stand).len();
    stand.report(vec![handler("short")]);
    uploader.doubt();
    poll(&stand, &mut uploader, 5).unwrap();
    assert!(blob(&stand).len() < long);
    serde_json::from_slice::<Value>(&blob(&stand)).unwrap();
}

#[test]
fn sends_when_something_changed_and_each_minute() {
    let stand = Stand::new("http", "BlockBlob");
    stand.report(vec![handler("one")]);
    let mut uploader = uploader(&stand);
    assert!(poll(&stand, &mut uploader, 0).is_some());
    assert!(poll(&stand, &mut uploader, 30).is_none());
    uploader.doubt();
    assert!(poll(&stand, &mut uploader, 31).is_none(), "nothing has changed");
    stand.report(vec![handler("two")]);
    uploader.doubt();
    assert!(poll(&stand, &mut uploader, 32).is_some());
    assert!(poll(&stand, &mut uploader, 91).is_none());
    assert!(poll(&stand, &mut uploader, 92).is_some());
    assert_eq!(stand.fabric.record().status_uploads.len(), 3);
}

#[test]
fn a_restart_sends_nothing_that_was_just_sent_and_all_that_is_new() {
    let stand = Stand::new("http", "BlockBlob");
    stand.report(vec![handler("one")]);
    assert!(poll(&stand, &mut uploader(&stand), 0).is_some());
    assert!(poll(&stand, &mut uploader(&stand), 2).is_none());
    stand.report(vec![handler("two")]);
    assert!(poll(&stand, &mut uploader(&stand), 4).is_some());
}

#[test]
fn an_unchanged_status_writes_no_file() {
    let stand = Stand::new("http", "BlockBlob");
    stand.report(vec![handler("one")]);
    let mut uploader = uploader(&stand);
    poll(&stand, &mut uploader, 0).unwrap();
    let copy = stand.root.state_path("fetch/waagent_status.json");
    let written = std::fs::metadata(&copy).unwrap().modified().unwrap();
    poll(&stand, &mut uploader, 60).unwrap();
    assert_eq!(std::fs::metadata(&copy).unwrap().modified().unwrap(), written);
}

#[test]
fn no_signature_is_left_in_any_file_or_message() {
    let stand = Stand::new("http", "BlockBlob");
    stand.report(vec![handler("see https://a/b?sig=CANARY-TEXT")]);
    stand.break_routes(&[Route::HostPluginStatus, Route::StoragePut], &CLOSED);
    let mut uploader = uploader(&stand);
    let (Sent::Failed { text, .. }, _) = poll(&stand, &mut uploader, 0).unwrap() else { panic!() };
    assert!(!text.contains("CANARY"), "{text}");
    assert!(text.contains("host's plugin: status 500") && text.contains("storage: status 500"), "{text}");
    let copy = std::fs::read_to_string(stand.root.state_path("fetch/waagent_status.json")).unwrap();
    assert!(!copy.contains("CANARY"), "{copy}");
}

#[test]
fn an_expired_signature_asks_for_a_new_goal_state_at_most_each_five_minutes() {
    let stand = Stand::new("http", "BlockBlob");
    stand.report(Vec::new());
    stand.break_routes(&[Route::HostPluginStatus], &CLOSED);
    let mut uris = Document::<Uris>::read(&stand.root).unwrap().body;
    let status = uris.status_blob.as_mut().unwrap();
    status.uri = status.uri.replace("CANARY-SAS", "CANARY-OLD");
    stand.write(&uris);
    let mut uploader = uploader(&stand);
    let mut asked = Vec::new();
    for now in [0, 10, 100, 299, 400] {
        let (sent, next) = poll(&stand, &mut uploader, now).unwrap();
        assert!(matches!(sent, Sent::Failed { is_forbidden: true, .. }), "{sent:?}");
        asked.push(next == Next::NewGoalState);
    }
    assert_eq!(asked, [true, false, false, false, true]);
}

#[test]
fn a_moved_machine_sends_nothing_and_asks_for_its_new_ids() {
    let stand = Stand::new("http", "BlockBlob");
    stand.report(Vec::new());
    let mut goal_state = Document::<GoalState>::read(&stand.root).unwrap().body;
    goal_state.container_id = "old".to_owned();
    stand.write(&goal_state);
    let mut uploader = uploader(&stand);
    assert_eq!(poll(&stand, &mut uploader, 0).unwrap(), (Sent::Stale, Next::NewGoalState));
    assert_eq!(stand.count(Route::StoragePut), 0);
    stand.publish();
    uploader.doubt();
    assert!(matches!(poll(&stand, &mut uploader, 10).unwrap().0, Sent::Taken(_)));
}

#[test]
fn a_page_blob_that_conflicts_is_made_again_once() {
    let stand = Stand::new("http", "PageBlob");
    stand.report(Vec::new());
    let conflict = Fault {
        route: Some(Route::StoragePut),
        path: Some("comp=page".to_owned()),
        after: 0,
        count: 1,
        act: Act::Status { code: 412, retry_after: None, text: None },
    };
    let closed = Fault { route: Some(Route::HostPluginStatus), path: None, after: 0, count: 0, act: CLOSED };
    stand.fabric.set_faults(vec![conflict, closed]);
    let (sent, _) = poll(&stand, &mut uploader(&stand), 0).unwrap();
    assert_eq!((sent, stand.count(Route::StoragePut)), (Sent::Taken(Channel::Direct), 4));
}

#[test]
fn reports_handlers_that_nobody_takes_care_of_after_five_minutes() {
    let stand = Stand::new("http", "BlockBlob");
    let mut uploader = uploader(&stand);
    poll(&stand, &mut uploader, 0).unwrap();
    let handlers = |stand: &Stand| {
        let text: Value = serde_json::from_slice(&blob(stand)).unwrap();
        text["aggregateStatus"]["handlerAggregateStatus"].as_array().unwrap().clone()
    };
    assert_eq!(handlers(&stand), Vec::<Value>::new());
    poll(&stand, &mut uploader, 300).unwrap();
    let late = handlers(&stand);
    assert_eq!((late.len(), &late[0]["status"]), (3, &json!("NotReady")));
    assert_eq!(late[0]["formattedMessage"]["message"], "extension processing doesn't answer");
    stand.report(vec![handler("done")]);
    uploader.doubt();
    poll(&stand, &mut uploader, 310).unwrap();
    assert_eq!(handlers(&stand).len(), 1);
}

#[test]
fn a_damaged_document_is_left_out_and_the_sign_of_life_goes_on() {
    let stand = Stand::new("http", "BlockBlob");
    std::fs::write(stand.root.state_path("ext/status.json"), "{").unwrap();
    std::fs::write(stand.root.state_path("provision/status.json"), vec![0; 300_000]).unwrap();
    assert!(matches!(poll(&stand, &mut uploader(&stand), 0).unwrap().0, Sent::Taken(_)));
    assert_eq!(
        stand.fabric.record().last_status.unwrap()["aggregateStatus"]["guestAgentStatus"]["status"],
        "Ready"
    );
}

#[test]
fn sends_nothing_without_a_goal_state_a_blob_or_where_the_agent_is_switched_off() {
    let stand = Stand::new("http", "BlockBlob");
    let without = |uploader: &mut Uploader| {
        assert!(poll(&stand, uploader, 0).is_none());
        assert_eq!(uploader.next(), Duration::MAX);
    };
    let mut rests = uploader(&stand);
    std::fs::write(stand.root.state_path("disable_agent"), "").unwrap();
    without(&mut rests);
    std::fs::remove_file(stand.root.state_path("disable_agent")).unwrap();
    let mut uris = Document::<Uris>::read(&stand.root).unwrap().body;
    uris.status_blob = None;
    stand.write(&uris);
    without(&mut uploader(&stand));
    std::fs::remove_file(stand.root.state_path("fetch/goal-state.json")).unwrap();
    without(&mut uploader(&stand));
    stand.publish();
    rests.doubt();
    assert!(poll(&stand, &mut rests, 10).is_some());
}
