use waagent_common::documents::{BlobKind, GoalStateSource};

use crate::goal_state::vm_settings::{VmSettings, parse};

const FULL: &str = include_str!("../../../tests/examples/vm-settings.json");

fn settings(document: &str) -> VmSettings {
    parse(document.as_bytes(), "42").unwrap()
}

#[test]
fn reads_a_full_document_whatever_the_case_of_its_names() {
    let VmSettings { supported, is_fast_track, state } = settings(FULL);
    assert!(supported && is_fast_track && state.on_hold);
    assert_eq!((state.id.as_str(), state.source), ("etag_42", GoalStateSource::FastTrack));
    assert_eq!((state.created_on.as_str(), state.svd_sequence_number), ("2021-11-20T07:16:20.123456Z", 12));
    assert_eq!(state.status_blob.unwrap().kind, BlobKind::Block);
    assert_eq!(state.agent_families.first().unwrap().is_version_from_rsm, Some(false));
    let hello = state.extensions.first().unwrap();
    assert_eq!((&hello.error, hello.encoded_signature.as_deref()), (&None, Some("TUlJ")));
    let one = hello.settings.first().unwrap();
    assert_eq!((one.sequence_number, one.dependency_level, one.depends_on.len()), (7, 2, 1));
    assert_eq!(one.public_settings.as_ref().unwrap().as_str(), r#"{"z": 1.50, "a": 1}"#);
    assert_eq!(state.uris.first().unwrap().manifests.len(), 3);
    let many = state.extensions.get(1).unwrap();
    let rows: Vec<_> =
        many.settings.iter().map(|s| (s.sequence_number, s.state.as_str(), s.dependency_level)).collect();
    assert_eq!(rows, [(0, "enabled", 0), (4, "disabled", 1)]);
    assert_eq!(state.extensions.last().unwrap().error, None);
}

#[test]
fn knows_a_copy_of_the_wire_servers_goal_state_and_an_old_host() {
    assert!(!settings(&FULL.replace("\"FastTrack\"", "\"Fabric\"")).is_fast_track);
    assert!(!settings(&FULL.replace("1.0.8.175", "1.0.8.132")).supported);
    assert!(settings(&FULL.replace("1.0.8.175", "1.0.8.133")).supported);
    assert!(!settings(&FULL.replace("1.0.8.175", "newest")).supported);
}

#[test]
fn one_damaged_extension_fails_alone_with_its_reason() {
    for (from, to, why) in [
        ("\"state\": \"enabled\", \"settingsSeqNo\"", "\"state\": \"on\", \"settingsSeqNo\"", "state 'on'"),
        ("\"settingsSeqNo\": 7, ", "", "no 'settingsSeqNo'"),
        ("\"settingsSeqNo\": 7", "\"settingsSeqNo\": -7", "out of range"),
        (
            "\"protectedSettingsCertThumbprint\": \"F6ABAA61098A301EBB8A571C3C7CF77F355F7FA9\", ",
            "",
            "without 'protectedSettingsCertThumbprint'",
        ),
        ("{\\\"z\\\": 1.50,", "{{", "'publicSettings' is no JSON"),
        ("\"extensionName\": \"first\", ", "", "no 'extensionName'"),
        ("\"seqNo\": 4, ", "", "no 'seqNo'"),
        (", \"extensionState\": \"disabled\"", "", "no 'extensionState'"),
        (
            "\"name\": \"second\", \"dependencyLevel\"",
            "\"name\": \"third\", \"dependencyLevel\"",
            "unknown instance 'third'",
        ),
        ("\"settings\": [{\"protected", "\"settings\": [{}, {\"protected", "several settings"),
        ("\"isMultiConfig\": false", "\"isMultiConfig\": \"no\"", "neither true nor false"),
        ("\"settings\": [{\"protected", "\"settings\": [7, {\"protected", "no object"),
    ] {
        let broken = FULL.replacen(from, to, 1);
        assert_ne!(broken, FULL, "{from}");
        let errors: Vec<_> = settings(&broken).state.extensions.into_iter().filter_map(|e| e.error).collect();
        assert_eq!(errors.len(), 1, "{to}: {errors:?}");
        assert!(errors.first().unwrap().contains(why), "{to}: {errors:?}");
    }
}

#[test]
fn refuses_the_whole_document_where_it_is_damaged() {
    for (document, why) in [
        ("{", "vmSettings: EOF"),
        ("[]", "no JSON object"),
        (&FULL.replace("\"onHold\": true", "\"onHold\": 1"), "'onHold'"),
        (&FULL.replace("\"value\": \"https", "\"other\": \"https"), "'statusUploadBlob': no 'value'"),
        (
            &FULL.replace("[{\"name\": \"MultipleExtensionsPerHandler\"}]", "{}"),
            "'requiredFeatures': no array",
        ),
        (
            &FULL.replace("{\"name\": \"MultipleExtensionsPerHandler\"}", "{}"),
            "'requiredFeatures': no 'name'",
        ),
        (&FULL.replace("\"inSvdSeqNo\": 12", "\"inSvdSeqNo\": \"x\""), "'inSvdSeqNo': no number"),
    ] {
        let error = parse(document.as_bytes(), "42").unwrap_err().text;
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("SECRET"), "{error}");
    }
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(parse(deep.as_bytes(), "1").unwrap_err().text.contains("more than 32768 values"));
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(parse(deep.as_bytes(), "1").unwrap_err().text.contains("nested deeper than 127"));
    let wide = format!("{{\"extensionGoalStates\": [{}[0]]}}", "[0],".repeat(1 << 20));
    assert!(parse(wide.as_bytes(), "1").unwrap_err().text.contains("more than 32768 values"));
}

#[test]
fn an_odd_tick_count_is_the_year_one() {
    for odd in ["-5", "99999999999999999999999999", "1.5"] {
        let state = settings(&FULL.replace("637729893801234567", odd)).state;
        assert_eq!(state.created_on, "0001-01-01T00:00:00.000000Z", "{odd}");
    }
}
