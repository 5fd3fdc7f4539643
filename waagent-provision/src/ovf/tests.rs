use std::time::Duration;

use super::*;
use crate::reason::Reason;

const HEAD: &str = r#"<e:Environment xmlns:e="http://schemas.dmtf.org/ovf/environment/1"
    xmlns:a="http://schemas.microsoft.com/windowsazure" xmlns:x="http://www.w3.org/2001/XMLSchema-instance">
    <a:ProvisioningSection><a:Version>1.0</a:Version><a:LinuxProvisioningConfigurationSet>"#;
const TAIL: &str = "</a:LinuxProvisioningConfigurationSet></a:ProvisioningSection></e:Environment>";

fn file(inner: &str) -> String {
    format!("{HEAD}<a:HostName> plum </a:HostName><a:UserName>orchard</a:UserName>{inner}{TAIL}")
}

#[test]
fn reads_any_prefix_trims_and_joins_text_and_cdata() {
    let text = file(
        "<a:SSH><a:PublicKeys><a:PublicKey><a:Path>/p</a:Path><a:Value>a<![CDATA[<b]]>&amp;&#99;</a:Value></a:PublicKey></a:PublicKeys></a:SSH>",
    );
    let ovf = read(&text).unwrap();
    assert_eq!((ovf.host_name.as_str(), ovf.user_name.as_str()), ("plum", "orchard"));
    assert_eq!(ovf.public_keys[0].value.as_deref(), Some("a<b&c"));
    assert!(ovf.provision_guest_agent && ovf.warnings[0].contains("no PlatformSettings"));
}

#[test]
fn a_password_keeps_its_white_space_and_marks_of_scrubbing_are_none() {
    let password = |inner: &str| read(&file(inner)).unwrap().password;
    assert!(
        matches!(password("<a:UserPassword> p&lt; </a:UserPassword>"), Password::Given(text) if text.expose() == " p< ")
    );
    assert!(matches!(password("<a:UserPassword/>"), Password::None));
    assert!(matches!(password("<a:UserPassword x:nil='true'/>"), Password::None));
    for mark in ["*", "REDACTED"] {
        assert!(matches!(password(&format!("<a:UserPassword>{mark}</a:UserPassword>")), Password::Withheld));
    }
}

#[test]
fn foreign_and_nil_elements_are_as_if_they_were_not_there() {
    let ovf = read(&file(
        "<z:UserName xmlns:z='urn:z'>mallory</z:UserName><a:CustomData x:nil='1'>x</a:CustomData>",
    ))
    .unwrap();
    assert_eq!(ovf.user_name, "orchard");
    assert!(ovf.custom_data.is_none());
}

#[test]
fn redacts_every_password_in_every_form_and_nothing_else() {
    for password in [
        "<a:UserPassword>secret</a:UserPassword>",
        "<a:UserPassword\n id='1' >sec\nret</a:UserPassword>",
        "<q:UserPassword xmlns:q='http://schemas.microsoft.com/windowsazure'><![CDATA[secret]]></q:UserPassword>",
        "<a:AdminPassword>secret</a:AdminPassword><a:UserPassword>secret</a:UserPassword>",
        "<o xmlns='urn:o'><UserPassword>secret<b>secret</b></UserPassword></o>",
    ] {
        let text = file(password);
        let clean = redact(&text).unwrap();
        assert!(!clean.contains("sec") && clean.contains(">REDACTED</"), "{clean}");
        assert!(clean.starts_with(HEAD) && clean.ends_with(TAIL));
        assert_eq!(redact(&clean).as_deref(), Some(clean.as_str()), "a second time changes nothing");
    }
    let empty = file("<a:UserPassword/><a:UserPassword></a:UserPassword>");
    assert_eq!(redact(&empty), Some(empty));
    assert!(redact("<a").is_none());
}

#[test]
fn an_error_names_line_and_column_and_quotes_nothing() {
    let refusal = read("<a>\n<b>topsecret</c></a>").unwrap_err();
    assert_eq!(refusal.reason, Reason::OvfParsing);
    assert!(refusal.text.contains("line 2") && !refusal.text.contains("topsecret"), "{}", refusal.text);
}

#[test]
fn a_file_of_nothing_but_entities_is_read_in_no_time() {
    let bound = usize::try_from(MAX_BYTES).unwrap();
    let room = bound - file("<a:dscfg></a:dscfg>").len();
    // Within the bound of one text, beyond it, between elements, and as text that is cut up otherwise.
    for part in ["&lt;", "&#9;", "<![CDATA[]]>", "<!---->"] {
        let text = part.repeat(room / part.len());
        for text in [file(&format!("<a:dscfg>{text}</a:dscfg>")), file(&text)] {
            let start = own_time();
            let _refused_or_not = read(&text);
            let _likewise = redact(&text);
            // Without optimization a second; a quadratic reader takes minutes.
            let taken = own_time().saturating_sub(start);
            assert!(taken < Duration::from_secs(5), "{part}: {taken:?}");
        }
    }
}

/// Processor time of this thread, whatever else the machine does.
fn own_time() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}
