use super::*;

fn identity() -> Identity {
    let text = |text: &str| text.to_owned();
    Identity {
        incarnation: text("1"),
        container_id: text("c&d"),
        instance_id: text("i._vm"),
        config_name: text("n"),
    }
}

#[test]
fn a_report_is_what_the_platform_expects() {
    let ready = render(&identity(), &Report::of(State::Ready, ""));
    assert!(ready.contains("<GoalStateIncarnation>1</GoalStateIncarnation><Container><ContainerId>c&amp;d<"));
    assert!(ready.contains("<InstanceId>i._vm</InstanceId><Health><State>Ready</State></Health>"));
    let failed = render(&identity(), &Report::of(State::Failed, "a < b & c"));
    assert!(failed.contains("<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus>"));
    assert!(failed.contains("<Description>a &lt; b &amp; c</Description>"));
}

#[test]
fn a_description_stays_below_the_platforms_limit_after_escaping() {
    for (text, at_least) in [("&".repeat(4000), 3490), ("<ä".repeat(3000), 3490), ("x".repeat(9000), 3500)] {
        let report = render(&identity(), &Report::of(State::Failed, &text));
        let start = report.find("<Description>").unwrap() + "<Description>".len();
        let description = report.get(start..report.find("</Description>").unwrap()).unwrap();
        assert!((at_least..=3500).contains(&description.len()), "{}", description.len());
        quick_xml::escape::unescape(description).unwrap();
    }
}

#[test]
fn the_fingerprint_is_sent_without_colons() {
    let text = render_fingerprint(&identity(), "SHA256:ab:\"<");
    assert!(text.contains("name=\"CertificateThumbprint\" value=\"SHA256ab&quot;&lt;\""), "{text}");
}
