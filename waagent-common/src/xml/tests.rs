use super::*;

const BOUNDS: Bounds = Bounds { elements: 1000, text: 1000, namespaces: &["urn:known"], is_strict: true };

fn read(bytes: &[u8]) -> Result<Element, XmlError> {
    document(bytes, "r", &BOUNDS)
}

fn refused(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn reads_text_entities_cdata_and_attributes() {
    let tree = read(b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><!-- c -->\r\n<r a='1 &amp; 2'>\n x<b>&lt;&#65;&#x42;<![CDATA[<&>]]> </b></r>\r\n\0\0");
    let tree = tree.unwrap();
    assert_eq!((tree.attribute("a"), tree.text()), (Some("1 & 2"), "x"));
    assert_eq!(tree.text_at("b"), Some("<AB<&>"));
    assert_eq!(tree.at("b").map(Element::whole_text), Some("<AB<&> "));
    assert_eq!((tree.text_at("b/c"), tree.all("b").count()), (None, 1));
    assert_eq!(read(b"<r>a\r\nb</r>").unwrap().text(), "a\r\nb");
}

#[test]
fn tells_namespaces_nil_comments_and_where_a_content_is() {
    let text = "<r xmlns='urn:known' xmlns:o='urn:other' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>\
                <a>1<!-- c -->2</a><o:a i:nil='true'/><q:a nil='true'/></r>";
    let tree = parse(text, &BOUNDS).unwrap();
    let seen: Vec<_> = tree
        .children
        .iter()
        .map(|a| (a.namespace, a.is_nil, a.has_comment, &text[a.content.clone()]))
        .collect();
    let known = Some("urn:known");
    assert_eq!(
        seen,
        [(known, false, true, "1<!-- c -->2"), (None, true, false, ""), (None, false, false, "")]
    );
}

#[test]
fn refuses_what_the_platform_never_writes() {
    for (text, why) in [
        ("<!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>", "document type not allowed"),
        ("<r>\n&unknown;</r>", "unknown entity: 'unknown' at line 2, column 1"),
        ("<r><a></r>", "not well-formed"),
        ("<r><a>", "isn't closed: 'a'"),
        ("<r/><r/>", "second root"),
        ("<r/>text", "text outside"),
        ("", "no element"),
        ("<s/>", "root element 's', not 'r'"),
        ("<r a='1' a='2'/>", "attributes not well-formed"),
        ("<r a='&b;'/>", "attributes not well-formed"),
        ("<r>&#0;</r>", "line 1"),
        ("<r>&#x1b;</r>", "forbids"),
        ("<r a='&#1;'/>", "forbids"),
        ("<r>\n\n\u{1}</r>", "forbids at line 3"),
        ("<?xml version='1.0' encoding='utf-16'?><r/>", "UTF-8"),
        ("<r a=1/>", "attributes not well-formed"),
        ("<r><?pi?></r>", "processing instruction not allowed"),
        ("<r><!-- a -- b --></r>", "not well-formed"),
        ("{}", "text outside"),
    ] {
        let error = refused(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    assert_eq!(read(b"<r>\n\xff</r>").unwrap_err().to_string(), "not UTF-8 at line 2, column 1");
}

#[test]
fn an_error_can_be_told_without_a_piece_of_the_document() {
    assert_eq!(refused("<r>a&sig=topsecret;</r>"), "unknown entity at line 1, column 5");
    for text in ["<r>\n<b>topsecret</c></r>", "<r>\n&topsecret;</r>", "<r>\n<topsecret>", "<r topsecret/>"] {
        let error = read(text.as_bytes()).unwrap_err();
        assert!(!error.unquoted().contains("secret") && error.unquoted().contains(" at line "), "{error}");
    }
}

#[test]
fn refuses_what_would_eat_memory_or_stack() {
    let nested = |depth| format!("<r>{}{}</r>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(refused(&nested(MAX_DEPTH)).contains("nested deeper than the 16 levels allowed"));
    assert!(read(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
    let many = |count| format!("<r>{}</r>", "<a/>".repeat(count));
    assert!(refused(&many(1000)).contains("more than the 1000 elements allowed"));
    assert!(read(many(999).as_bytes()).is_ok());
    let attributes = |count| (0..count).map(|n| format!(" a{n}=''")).collect::<String>();
    assert!(refused(&format!("<r{}/>", attributes(65))).contains("more than the 64 attributes allowed"));
    let all = format!("<r>{}</r>", format!("<a{}/>", attributes(64)).repeat(16));
    assert!(refused(&all).contains("more than the 1000 attributes allowed in all"));
    assert!(refused(&format!("<r><{}/></r>", "a".repeat(257))).contains("longer than 256"));
    let text = |count| format!("<r><b>{}</b>{}</r>", "&lt;".repeat(count), "x".repeat(count));
    assert!(refused(&text(1001)).contains("text longer than the 1000 bytes allowed"));
    assert!(read(text(1000).as_bytes()).is_ok());
}

#[test]
fn a_file_of_others_may_have_what_nothing_is_taken_from() {
    let lenient = Bounds { is_strict: false, ..BOUNDS };
    let text = "<?xml-stylesheet href='x'?><r><!-- a -- b --><a>1</a><?pi?></r>";
    assert_eq!(parse(text, &lenient).unwrap().text_at("a"), Some("1"));
    assert!(parse(text, &BOUNDS).is_err());
}
