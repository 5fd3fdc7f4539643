use waagent_common::documents::{BlobKind, Extension};

use crate::goal_state::extensions_config::parse;
use crate::goal_state::model::{EPOCH, created_on};

const FULL: &str = include_str!("../../../tests/examples/extensions-config.xml");

fn extension(document: &str, name: &str) -> Extension {
    let state = parse(document.as_bytes(), "5").unwrap();
    state.extensions.into_iter().find(|extension| extension.name.as_str() == name).unwrap()
}

#[test]
fn reads_a_full_document() {
    let state = parse(FULL.as_bytes(), "5").unwrap();
    assert_eq!((state.id.as_str(), state.svd_sequence_number), ("incarnation_5", 5));
    assert_eq!(state.created_on, "2021-11-20T07:16:20.123456Z");
    assert_eq!(state.activity_id, "00000000-0000-0000-0000-000000000000");
    assert_eq!(state.correlation_id, "c0ffee00-0000-0000-0000-000000000001");
    let blob = state.status_blob.unwrap();
    assert_eq!(blob.kind, BlobKind::Page);
    assert!(blob.uri.ends_with("?sv=2018&sig=SECRET%2Fsig"));
    assert!(state.profile.unwrap().ends_with("vmSettings?sig=SECRET"));
    assert_eq!(state.required_features, ["MultipleExtensionsPerHandler"]);
    let families: Vec<_> =
        state.agent_families.iter().map(|f| (f.name.as_str(), f.is_version_from_rsm)).collect();
    assert_eq!(families, [("Prod", Some(true)), ("Test", None)]);
    assert_eq!(state.uris.first().unwrap().manifests.last().unwrap(), "https://c.example/Hello.xml");
    assert!(state.notes.is_empty());
}

#[test]
fn reads_single_settings_as_they_were_written() {
    let hello = extension(FULL, "Contoso.Orchard.Hello");
    assert_eq!((hello.error, hello.multi_config, hello.settings.len()), (None, false, 1));
    let settings = hello.settings.first().unwrap();
    assert_eq!((settings.sequence_number, settings.dependency_level), (7, 2));
    assert_eq!(settings.depends_on.first().unwrap().handler, "Contoso.Orchard.Many");
    let public = settings.public_settings.as_ref().unwrap().as_str();
    assert_eq!(public, r#"{"z": 1.50, "a": 12345678901234567890123}"#);
    assert_eq!(hello.encoded_signature.as_deref(), Some("TUlJ"));
}

#[test]
fn reads_several_instances_with_levels_and_states() {
    let many = extension(FULL, "Contoso.Orchard.Many");
    assert!(many.multi_config && many.error.is_none());
    let rows: Vec<_> = many
        .settings
        .iter()
        .map(|s| (s.name.as_ref().unwrap().as_str(), s.state.as_str(), s.dependency_level, s.unreadable))
        .collect();
    assert_eq!(rows, [("first", "enabled", 0, false), ("second", "disabled", 1, true)]);
}

#[test]
fn a_handler_without_settings_is_valid() {
    let plain = extension(FULL, "Contoso.Orchard.Plain");
    assert_eq!((plain.error, plain.settings.len(), plain.state.as_str()), (None, 0, "uninstall"));
}

/// The platform shows these texts to people; tools look for some of them.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of what can be wrong, one row each")]
fn one_damaged_handler_fails_alone_with_its_reason() {
    for (from, to, name, why) in [
        (
            "state=\"enabled\" autoUpgrade",
            "state=\"\" autoUpgrade",
            "Hello",
            "Received empty Extensions.Plugins.Plugin.state",
        ),
        (
            "name=\"contoso.orchard.hello\" version=\"1.0.3\"",
            "name=\"contoso.orchard.hello\" version=\"9.9\"",
            "Hello",
            "found versions: (9.9)",
        ),
        ("seqNo=\"7\"", "", "Hello", "SeqNo not specified for the Extension: Contoso.Orchard.Hello"),
        ("seqNo=\"7\"", "seqNo=\"x\"", "Hello", "is no number: 'x'"),
        (
            "<DependsOn dependencyLevel=\"2\">",
            "<DependsOn/><DependsOn dependencyLevel=\"2\">",
            "Hello",
            "Found: 2",
        ),
        (
            "handlerSettings\": {\"publicSettings\"",
            "other\": {\"publicSettings\"",
            "Hello",
            "without 'handlerSettings'",
        ),
        ("{\"runtimeSettings\": [{\"handler", "{\"x\": [{\"handler", "Hello", "without 'runtimeSettings'"),
        (
            "\"protectedSettings\": \"TUlJ\"",
            "\"protectedSettings\": 5",
            "Hello",
            "'protectedSettings' that is no text",
        ),
        (
            "<ExtensionRuntimeSettings seqNo=\"0\" name=\"first\"",
            "<ExtensionRuntimeSettings seqNo=\"0\"",
            "Many",
            "Extension Name not specified",
        ),
        ("name=\"second\" />", "/>", "Many", "No Name not specified for DependsOn"),
        ("name=\"second\" state", "name=\"first\" state", "Many", "there twice"),
        ("name=\"second\" state", "name=\"../second\" state", "Many", "not an extension name"),
        (
            "<DependsOn dependencyLevel=\"1\"",
            "<RuntimeSettings seqNo=\"1\">{}</RuntimeSettings><DependsOn dependencyLevel=\"1\"",
            "Many",
            "Both RuntimeSettings and ExtensionRuntimeSettings",
        ),
        (
            "</RuntimeSettings>",
            "</RuntimeSettings><RuntimeSettings seqNo=\"8\">{}</RuntimeSettings>",
            "Hello",
            "Multiple RuntimeSettings",
        ),
        (
            "<PluginSettings>",
            "<PluginSettings><Plugin name=\"Contoso.Orchard.Hello\" version=\"1.0.3\"/>",
            "Hello",
            "Multiple plugin settings",
        ),
    ] {
        let broken = FULL.replacen(from, to, 1);
        assert_ne!(broken, FULL, "{from}");
        let error = extension(&broken, &format!("Contoso.Orchard.{name}")).error.unwrap_or_default();
        assert!(error.contains(why), "{to}: {error}");
        let others = parse(broken.as_bytes(), "5").unwrap();
        assert_eq!(others.extensions.iter().filter(|e| e.error.is_none()).count(), 2, "{to}");
    }
}

#[test]
fn leaves_out_what_no_document_can_name() {
    let state = parse(FULL.replace("Contoso.Orchard.Plain", "../../etc").as_bytes(), "5").unwrap();
    assert_eq!((state.extensions.len(), state.uris.len()), (2, 2));
    assert!(state.notes.first().unwrap().contains("plugin '../../etc'"), "{:?}", state.notes);
    let state = parse(FULL.replace("version=\"3.1\"", "version=\"3.1; rm\"").as_bytes(), "5").unwrap();
    assert!(state.notes.first().unwrap().contains("not a version"));
    let state =
        parse(FULL.replace("https://a.example/Plain.xml", "ftp://a.example/x").as_bytes(), "5").unwrap();
    assert!(state.uris.last().unwrap().manifests.is_empty());
    assert!(state.notes.first().unwrap().contains("scheme"), "{:?}", state.notes);
}

#[test]
fn refuses_the_whole_document_where_it_is_damaged() {
    for (document, why) in [
        (FULL.replace("</Plugins>", ""), "ExtensionsConfig: "),
        (FULL.replace("<Extensions ", "<Other ").replace("</Extensions>", "</Other>"), "root element"),
        (FULL.replace("<Plugins>", &format!("<Plugins>{}", "<Plugin/>".repeat(257))), "more than 256"),
    ] {
        let error = parse(document.as_bytes(), "5").unwrap_err().text;
        assert!(error.contains(why), "{error}");
        assert!(!error.contains("SECRET"));
    }
}

#[test]
fn a_tick_count_that_makes_no_sense_is_the_year_one() {
    for ticks in [None, Some(-1), Some(0), Some(i64::MAX)] {
        let text = created_on(ticks);
        assert!(text == EPOCH || text.starts_with("29228-") || text.len() == EPOCH.len(), "{text}");
    }
    assert_eq!(created_on(Some(i64::MIN)), EPOCH);
    assert_eq!(created_on(Some(637_729_893_801_234_567)), "2021-11-20T07:16:20.123456Z");
    assert!(created_on(Some(637_729_893_801_234_567)) > created_on(Some(637_729_893_801_234_000)));
}
