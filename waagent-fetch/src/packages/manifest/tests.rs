use super::*;

fn request(version: &str) -> HandlerVersion {
    HandlerVersion::try_from(version).unwrap()
}

fn manifest(public: &[&str], internal: &[&str]) -> String {
    let list = |versions: &[&str]| -> String {
        versions
            .iter()
            .map(|version| {
                format!(
                    "<Plugin><Version>{version}</Version><Uris><Uri>\n https://s/{version}.zip?a=1&amp;sig=x \n</Uri></Uris>\
                     <DisallowMajorVersionUpgrade>true</DisallowMajorVersionUpgrade></Plugin>"
                )
            })
            .collect()
    };
    format!(
        "<?xml version=\"1.0\"?><PluginVersionManifest xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <Plugins>{}</Plugins><InternalPlugins>{}</InternalPlugins></PluginVersionManifest>",
        list(public),
        list(internal)
    )
}

fn chosen(manifest: &str, version: &str) -> Option<String> {
    match choose(manifest.as_bytes(), &request(version), false).unwrap() {
        Choice::Package(uris) => Some(uris[0].expose().to_owned()),
        Choice::NoMatch => None,
        Choice::NoUri => panic!("no URI"),
    }
}

#[test]
fn takes_the_highest_version_that_matches() {
    let many = manifest(&["2.0.0", "2.1.0", "2.1.1", "2.2.0"], &["2.3.0"]);
    for (requested, expected) in [
        ("2.0", Some("2.0.0")),
        ("2.1", Some("2.1.1")),
        ("2.1.0", Some("2.1.0")),
        ("2.3.0", Some("2.3.0")),
        ("9", None),
    ] {
        let expected = expected.map(|version| format!("https://s/{version}.zip?a=1&sig=x"));
        assert_eq!(chosen(&many, requested), expected, "{requested}");
    }
    assert_eq!(
        chosen(&manifest(&["4.1.0.0", "4.0.0.1", "4.0.0.0"], &[]), "4.0").unwrap(),
        "https://s/4.0.0.1.zip?a=1&sig=x"
    );
    assert_eq!(chosen(&manifest(&["3.0"], &[]), "3.0.0"), None);
}

#[test]
fn joins_the_uris_of_a_version_that_is_listed_twice() {
    let text = "\u{feff}<PluginVersionManifest><Plugins>\
        <Plugin><Version>1.0</Version><Uris><Uri>https://a/1</Uri><Uri>no uri</Uri></Uris></Plugin>\
        <Plugin><Version>1.0</Version><Uris><Uri><![CDATA[https://b/1]]></Uri><Uri>https://a/1</Uri></Uris></Plugin>\
        </Plugins></PluginVersionManifest>\r\n\0";
    let Choice::Package(uris) = choose(text.as_bytes(), &request("1.0"), false).unwrap() else { panic!() };
    let uris: Vec<&str> = uris.iter().map(StorageUri::expose).collect();
    assert_eq!(uris, ["https://a/1", "https://b/1"]);
}

#[test]
fn tells_no_uri_from_no_match() {
    let text = "<PluginVersionManifest><Plugins><Plugin><Version>1.0</Version></Plugin>\
        <Plugin><Version>x.y</Version><Uris><Uri>https://a/1</Uri></Uris></Plugin></Plugins></PluginVersionManifest>";
    assert_eq!(choose(text.as_bytes(), &request("1.0"), false).unwrap(), Choice::NoUri);
    assert_eq!(choose(text.as_bytes(), &request("2.0"), false).unwrap(), Choice::NoMatch);
    assert_eq!(choose(b"<PluginVersionManifest/>", &request("1.0"), false).unwrap(), Choice::NoMatch);
}

#[test]
fn looks_only_where_a_manifest_has_its_versions() {
    let text = "<PluginVersionManifest><Plugin><Version>1.0</Version><Uris><Uri>https://a/1</Uri></Uris></Plugin>\
        <Plugins><Other><Plugin><Version>1.0</Version><Uris><Uri>https://a/2</Uri></Uris></Plugin></Other></Plugins>\
        </PluginVersionManifest>";
    assert_eq!(choose(text.as_bytes(), &request("1.0"), false).unwrap(), Choice::NoMatch);
}

#[test]
fn refuses_every_hostile_manifest_and_says_why() {
    for (file, why) in [
        ("manifest_document_type.xml", "document type"),
        ("manifest_entity_bomb.xml", "document type"),
        ("manifest_unknown_entity.xml", "unknown entity at line"),
        ("manifest_two_roots.xml", "a second root element"),
        ("manifest_wrong_root.xml", "unexpected root"),
        ("manifest_truncated.xml", "an element isn't closed"),
        ("manifest_crossed_tags.xml", "not well-formed"),
        ("manifest_too_deep.xml", "deeper than the 16 levels"),
        ("manifest_two_versions.xml", "two versions"),
        ("manifest_latin1.xml", "not UTF-8"),
        ("manifest_empty.xml", "no element at all"),
        ("manifest_html.xml", "unexpected root"),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let refused = choose(&bytes, &request("1.0"), false).expect_err(file);
        assert!(refused.text.contains(why), "{file}: {refused}");
    }
}

#[test]
fn refuses_more_versions_and_longer_texts_than_any_handler_has() {
    let plugin = "<Plugin><Version>1.0</Version></Plugin>";
    let text = |count: usize| {
        format!("<PluginVersionManifest><Plugins>{}</Plugins></PluginVersionManifest>", plugin.repeat(count))
    };
    assert_eq!(choose(text(10_000).as_bytes(), &request("1.0"), false).unwrap(), Choice::NoUri);
    assert!(
        choose(text(10_001).as_bytes(), &request("1.0"), false)
            .unwrap_err()
            .text
            .contains("more than 10000 versions")
    );
    let long = format!("<PluginVersionManifest><Plugins><Plugin><Version>{}", "1".repeat(9000));
    assert!(choose(long.as_bytes(), &request("1.0"), false).unwrap_err().text.contains("8192 bytes"));
}

#[test]
fn never_shows_a_signature_in_a_refusal() {
    for text in [
        "<PluginVersionManifest><Plugins><Plugin><Version>1.0</Version><Uris><Uri>https://a/1?sig=CANARY</Uri>\
         </Uris><Version>1.0</Version></Plugin></Plugins></PluginVersionManifest>",
        "<PluginVersionManifest><Uri>https://a/1?a&sig=CANARY;</Uri></PluginVersionManifest>",
    ] {
        assert!(!choose(text.as_bytes(), &request("1.0"), false).unwrap_err().text.contains("CANARY"));
    }
}
