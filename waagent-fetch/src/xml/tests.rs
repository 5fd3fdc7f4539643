use super::*;

fn refused(text: &str) -> String {
    parse(text.as_bytes(), "r").unwrap_err().to_string()
}

#[test]
fn reads_text_entities_cdata_and_attributes() {
    let tree = parse(b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><!-- c -->\r\n<r a='1 &amp; 2'>\n x<b>&lt;&#65;&#x42;<![CDATA[<&>]]> </b></r>\r\n\0\0", "r");
    let tree = tree.unwrap();
    assert_eq!((tree.attribute("a"), tree.text()), (Some("1 & 2"), "x"));
    assert_eq!(tree.text_at("b"), Some("<AB<&>"));
    assert_eq!((tree.text_at("b/c"), tree.all("b").count()), (None, 1));
}

#[test]
fn refuses_what_the_platform_never_writes() {
    for (text, why) in [
        ("<!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>", "document type"),
        ("<r>\n&unknown;</r>", "unknown entity 'unknown' at line 2"),
        ("<r><a></r>", "line 1"),
        ("<r><a>", "'a' isn't closed"),
        ("<r/><r/>", "second root"),
        ("<r/>text", "text outside"),
        ("", "no element"),
        ("<s/>", "root element 's', not 'r'"),
        ("<r a='1' a='2'/>", "line 1"),
        ("<r>&#0;</r>", "line 1"),
        ("<r>&#x1b;</r>", "forbids"),
        ("<r a='&#1;'/>", "forbids"),
        ("<r>\n\n\u{1}</r>", "forbids at line 3"),
        ("<?xml version='1.0' encoding='utf-16'?><r/>", "UTF-8"),
        ("<r a=1/>", "line 1"),
        ("{}", "text outside"),
    ] {
        let error = refused(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    assert!(parse(b"<r>\xff</r>", "r").unwrap_err().to_string().contains("no UTF-8"));
}

#[test]
fn refuses_what_would_eat_memory_or_stack() {
    let deep = format!("<r>{}{}</r>", "<a>".repeat(32), "</a>".repeat(32));
    assert!(refused(&deep).contains("nested deeper than 32"));
    let deep = format!("<r>{}{}</r>", "<a>".repeat(31), "</a>".repeat(31));
    assert!(parse(deep.as_bytes(), "r").is_ok());
    assert!(refused(&format!("<r>{}</r>", "<a/>".repeat(100_000))).contains("more than 100000"));
    let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
    assert!(refused(&format!("<r{attributes}/>")).contains("more than 64 attributes"));
    assert!(refused(&format!("<r><{}/></r>", "a".repeat(257))).contains("longer than 256"));
}
