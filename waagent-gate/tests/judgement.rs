//! Each rule of the gate, broken alone: what was refused passes as soon as it is put right.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::net::SocketAddrV4;

use waagent_common::documents::Endpoint;
use waagent_common::fault::Fault;
use waagent_common::gate::protocol::{MAX_HEAD, Target};
use waagent_gate::request::{MAX_HELD, Request, judge};
use waagent_gate::table::{CERTIFICATE, Path, ROWS, Row};
use waagent_gate::values::Values;
use waagent_gate::{Refusal, head::Method};

const OWN: &str = "MIIBoWn==";

fn judged(target: Target, head: &str) -> Result<Option<Request>, Refusal> {
    let address = SocketAddrV4::new(Endpoint::WELL_KNOWN, target.port());
    judge(head.as_bytes(), target, address, || Ok(OWN.to_owned()))
}

#[track_caller]
fn passes(target: Target, head: &str) -> Request {
    judged(target, head).unwrap().unwrap()
}

#[track_caller]
fn refuses(target: Target, head: &str, why: &str) {
    let refusal = judged(target, head).map(drop).unwrap_err().to_string();
    assert!(refusal.contains(why), "'{refusal}' isn't about '{why}'");
    assert!(refusal.len() < 500 && !refusal.contains('\n') && !refusal.contains("CANARY"), "{refusal}");
}

const GET: &str =
    "GET /machine/a?comp=config HTTP/1.1\r\nHost: 168.63.129.16\r\nx-ms-version: 2012-11-30\r\n\r\n";
const POST: &str = "POST /machine?comp=health HTTP/1.1\r\nHost: 168.63.129.16\r\ncontent-type: text/xml\r\nContent-Length: 7\r\n\r\n";

/// What is put in the place of what, and why the outcome doesn't pass; without it, it does.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    (GET, "GET ", "HEAD ", "a method other than"),
    (GET, "GET ", "get ", "a method other than"),
    (GET, "GET ", "GET  ", "with single spaces"),
    (GET, "GET ", " GET ", "with single spaces"),
    (GET, " HTTP/1.1", "", "with single spaces"),
    (GET, " HTTP/1.1", " HTTP/1.0", "with single spaces"),
    (GET, " HTTP/1.1", " HTTP/1.1 ", "with single spaces"),
    (GET, " HTTP/1.1", "%20x HTTP/1.1 HTTP/1.1", "with single spaces"),
    (GET, " HTTP/1.1", "\tHTTP/1.1", "neither printable ASCII"),
    (GET, "/machine", "machine", "begin with '/'"),
    (GET, "/machine", "http://168.63.129.16/machine", "begin with '/'"),
    (GET, "/machine", "*", "begin with '/'"),
    (GET, "comp=config", "comp=config#x", "begin with '/', or has a '#'"),
    (GET, "comp=config", "comp=conf\u{e4}ig", "neither printable ASCII"),
    (GET, "comp=config", "comp=conf\0ig", "neither printable ASCII"),
    (GET, "comp=config", "comp=conf\x7fig", "neither printable ASCII"),
    (GET, "129.16\r\n", "129.16\n", "neither printable ASCII"),
    (GET, "2012-11-30\r\n", "2012-11-30\r\r\n", "neither printable ASCII"),
    (GET, "2012-11-30", "2012-\r11-30", "neither printable ASCII"),
    (GET, "2012-11-30", "2012-\n11-30", "neither printable ASCII"),
    (GET, "2012-11-30", "2012-\t11-30", "neither printable ASCII"),
    (GET, "2012-11-30", "2012\r\n -11-30", "a header line without ':'"),
    (GET, "2012-11-30", "2012\r\n :-11-30", "or a folded line"),
    (GET, "x-ms-version:", "x-ms-version :", "a header name that isn't"),
    (GET, "x-ms-version:", "x_ms_version:", "a header name that isn't"),
    (GET, "x-ms-version:", ":", "a header name that isn't"),
    (GET, "x-ms-version: ", "x-ms-version ", "a header line without ':'"),
    (GET, "Host:", "x-ms-version: 1\r\nHost:", "header 'x-ms-version' twice"),
    (GET, "Host:", "X-MS-VERSION: 1\r\nHost:", "header 'x-ms-version' twice"),
    (GET, "Host:", "host: 168.63.129.16\r\nHost:", "header 'host' twice"),
    (GET, "Host: 168.63.129.16\r\n", "", "a Host that isn't 168.63.129.16"),
    (GET, "Host: 168.63.129.16", "Host: 168.63.129.16:32526", "a Host that isn't"),
    (GET, "Host: 168.63.129.16", "Host: 169.254.169.254", "a Host that isn't"),
    (GET, "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", "a GET with a Content-Length"),
    (POST, "Content-Length: 7\r\n", "", "no Content-Length"),
    (POST, "th: 7", "th: 07", "canonical digits"),
    (POST, "th: 7", "th: +7", "canonical digits"),
    (POST, "th: 7", "th: -7", "canonical digits"),
    (POST, "th: 7", "th: 0x7", "canonical digits"),
    (POST, "th: 7", "th: 7, 7", "canonical digits"),
    (POST, "th: 7", "th: 7 7", "canonical digits"),
    (POST, "th: 7", "th: ", "canonical digits"),
    (POST, "th: 7", "th: 18446744073709551616", "canonical digits"),
    (POST, "th: 7", "th: 16385", "the row allows 16384"),
];

#[test]
fn each_rule_of_the_grammar_refuses_alone() {
    for (good, part, other, why) in BROKEN {
        passes(Target::WireServer, good);
        let bad = good.replacen(part, other, 1);
        assert_ne!(bad, **good, "{part}");
        refuses(Target::WireServer, &bad, why);
    }
    for name in [
        "Transfer-Encoding",
        "Expect",
        "Upgrade",
        "Trailer",
        "TE",
        "Connection",
        "Proxy-Connection",
        "Cookie",
    ] {
        let why = format!("header '{}', which isn't", name.to_ascii_lowercase());
        refuses(Target::WireServer, &POST.replacen("content-type", name, 1), &why);
    }
}

#[test]
fn a_head_is_at_most_16_kib_and_has_at_most_32_lines() {
    let with = |length: usize| {
        let filled = GET.replacen("Host", &format!("user-agent: {}\r\nHost", "x".repeat(length)), 1);
        (filled.len(), filled)
    };
    let room = MAX_HEAD - with(0).0;
    passes(Target::WireServer, &with(room).1);
    refuses(Target::WireServer, &with(room + 1).1, "more than 16384 bytes");
    refuses(Target::WireServer, &"x".repeat(MAX_HEAD), "more than 16384 bytes");
    assert_eq!(judged(Target::WireServer, &"x".repeat(MAX_HEAD - 1)), Ok(None));
    assert_eq!(judged(Target::WireServer, GET.strip_suffix('\n').unwrap()), Ok(None));
    let many: String = (0..33).map(|number| format!("x-{number}: 1\r\n")).collect();
    refuses(Target::WireServer, &GET.replacen("Host:", &format!("{many}Host:"), 1), "more than 32");
}

/// A value that passes.
fn example(name: &str, values: Values) -> &'static str {
    match values {
        _ if name == CERTIFICATE => OWN,
        Values::Any => "CANARY",
        Values::OneOf(values) => values.last().unwrap(),
        Values::Blob => "https://example.blob.core.windows.net/CANARY?sig=CANARY",
    }
}

/// Every row with everything that it allows.
fn full(row: &Row) -> String {
    let path = match row.path {
        Path::Exactly(path) => path.to_owned(),
        Path::Below(folder) => format!("{folder}a%2Db/c?comp=certificates&incarnation=1"),
    };
    let port = if row.target == Target::HostGaPlugin { ":32526" } else { "" };
    let headers: String =
        row.headers.iter().map(|&(name, values)| format!("{name}: {}\r\n", example(name, values))).collect();
    let length =
        if row.method == Method::Get { String::new() } else { format!("content-length: {}\r\n", row.body) };
    let method = row.method.as_wire();
    format!("{method} {path} HTTP/1.1\r\nHost: 168.63.129.16{port}\r\n{headers}{length}\r\n")
}

#[test]
fn each_row_passes_for_its_target_method_and_path_and_no_other() {
    for row in ROWS {
        let head = full(row);
        let request = passes(row.target, &head);
        assert_eq!((request.length, request.body, request.answer), (head.len(), row.body, row.answer));
        let written = String::from_utf8(request.head).unwrap();
        assert!(written.contains("\r\nConnection: close\r\n"), "{written}");
        assert_eq!(written.to_ascii_lowercase().matches("\r\nhost: ").count(), 1, "{written}");
        refuses(row.target, &head.replacen(' ', " /x", 1), "no row of the table has");
        let other = if row.method == Method::Get { "PUT " } else { "GET " };
        let (_, rest) = head.split_once(' ').unwrap();
        refuses(row.target, &format!("{other}{rest}"), "no row of the table has");
        let (elsewhere, host) = match row.target {
            Target::WireServer => (Target::HostGaPlugin, head.replacen(".16\r\n", ".16:32526\r\n", 1)),
            Target::HostGaPlugin => (Target::WireServer, head.replacen(":32526", "", 1)),
        };
        refuses(elsewhere, &host, "no row of the table has");
        refuses(row.target, &head.replacen("\r\n", "\r\nx-ms-other: 1\r\n", 1), "header 'x-ms-other'");
        for (name, values) in row.headers.iter().filter(|(_, values)| *values != Values::Any) {
            let value = example(name, *values);
            let why = format!("a value of '{name}'");
            refuses(
                row.target,
                &head.replacen(&format!("{name}: {value}"), &format!("{name}: {value} CANARY"), 1),
                &why,
            );
            refuses(row.target, &head.replacen(&format!("{name}: {value}"), &format!("{name}:"), 1), &why);
        }
        assert!(row.target != Target::WireServer || row.body <= MAX_HELD.try_into().unwrap());
        if row.body > 0 {
            let more = head.replace(&row.body.to_string(), &(row.body + 1).to_string());
            refuses(row.target, &more, "the row allows");
        }
    }
}

#[test]
fn a_certificate_is_the_machines_own_wherever_it_may_be_sent() {
    let with = |query: &str, header: &str| GET.replacen("comp=config", query, 1).replacen("Host", header, 1);
    let own = format!("{CERTIFICATE}: {OWN}\r\nHost");
    let theirs = format!("{CERTIFICATE}: MIIBtHeirs==\r\nHost");
    for query in ["comp=certificates&incarnation=1", "comp=config", "COMP=%43ertificates"] {
        passes(Target::WireServer, &with(query, &own));
        refuses(Target::WireServer, &with(query, &theirs), "isn't that of certs/transport.json");
        refuses(
            Target::WireServer,
            &with(query, &own.replace(OWN, "")),
            "isn't that of certs/transport.json",
        );
        refuses(Target::WireServer, &with(query, &own.replace(OWN, "miiBoWn==")), "isn't that of");
        let twice = format!("{CERTIFICATE}: {OWN}\r\n{theirs}");
        refuses(Target::WireServer, &with(query, &twice), "twice");
    }
    for query in
        ["comp=certificates", "comp=Certificates", "a=b&comp=%63ertificates", "comp=c%u0065rtificates"]
    {
        refuses(Target::WireServer, &with(query, "Host"), "a request for certificates without");
    }
    // A document without a certificate allows none.
    let address = SocketAddrV4::new(Endpoint::WELL_KNOWN, 80);
    let empty = with("comp=certificates", &own.replace(OWN, ""));
    assert!(judge(empty.as_bytes(), Target::WireServer, address, || Ok(String::new())).is_err());
    let none = || Err(Fault::data("cannot read 'certs/transport.json'"));
    let asked = with("comp=certificates", &own);
    let refusal = judge(asked.as_bytes(), Target::WireServer, address, none).unwrap_err();
    assert!(refusal.to_string().contains("no certificate to compare with: cannot read"), "{refusal}");
}
