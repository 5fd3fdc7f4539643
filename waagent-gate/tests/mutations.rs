//! Heads that were broken at random: what passes is read by another parser as the gate read it, and nothing panics.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test tooling: it may say what it means")]

use std::net::SocketAddrV4;

use waagent_common::documents::Endpoint;
use waagent_common::gate::protocol::{Target, host_of};
use waagent_gate::head::{Head, Method};
use waagent_gate::request::{Request, judge};
use waagent_gate::table::{CERTIFICATE, Path, ROWS};
use waagent_gate::values::Values;
use waagent_support::Random;

const OWN: &str = "MIIBoWn==";
const ROUNDS: usize = 60_000;
/// What request smuggling is made of.
const NASTY: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"%",
    b"%2e",
    b"/",
    b"..",
    b"?",
    b"#",
    b"\x80",
    b"\xff",
    b"+",
    b"0",
    b"\r\n ",
    b"Host: x\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: x\r\n",
    b"comp=certificates",
    b"comp=%63ertificates",
    b"x-ms-guest-agent-public-x509-cert: MIIBtHeirs==\r\n",
    b" HTTP/1.1",
];

/// A whole head for each row.
fn seeds() -> Vec<(Target, Vec<u8>)> {
    ROWS.iter()
        .map(|row| {
            let path = match row.path {
                Path::Exactly(path) => path.to_owned(),
                Path::Below(folder) => format!("{folder}a%2Db/c?comp=config&incarnation=1"),
            };
            let host = host_of(SocketAddrV4::new(Endpoint::WELL_KNOWN, row.target.port()));
            let headers: String = row
                .headers
                .iter()
                .map(|&(name, values)| match values {
                    _ if name == CERTIFICATE => format!("{name}: {OWN}\r\n"),
                    Values::Any => format!("{name}: a b\r\n"),
                    Values::OneOf(values) => format!("{name}: {}\r\n", values[0]),
                    Values::Blob => format!("{name}: https://example.blob.core.windows.net/c/b?sig=a\r\n"),
                })
                .collect();
            let length = if row.method == Method::Get { "" } else { "content-length: 12\r\n" };
            let method = row.method.as_wire();
            let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n");
            (row.target, head.into_bytes())
        })
        .collect()
}

fn broken(random: &mut Random, mut bytes: Vec<u8>, others: &[(Target, Vec<u8>)]) -> Vec<u8> {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.remove(at)),
            2 => drop(bytes.splice(at..at, NASTY[random.below(NASTY.len())].iter().copied())),
            3 => bytes.truncate(at),
            4 => {
                let other = &others[random.below(others.len())].1;
                let from = random.below(other.len());
                bytes.splice(at..at, other[from..].iter().copied());
            }
            _ => {
                let end = at + random.below(bytes.len() - at);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}

fn judged(bytes: &[u8], target: Target) -> Option<Request> {
    let address = SocketAddrV4::new(Endpoint::WELL_KNOWN, target.port());
    judge(bytes, target, address, || Ok(OWN.to_owned())).ok().flatten()
}

/// Method, path, length, and names in lower case with their values, as another parser reads them.
type Reading = (String, String, usize, Vec<(String, String)>);

fn read(bytes: &[u8]) -> Reading {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let length = request.parse(bytes).unwrap().unwrap();
    assert_eq!(request.version, Some(1));
    let headers = request
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8(header.value.to_vec()).unwrap()));
    (request.method.unwrap().to_owned(), request.path.unwrap().to_owned(), length, headers.collect())
}

fn is_read_alike(bytes: &[u8], request: &Request) {
    let ours = Head::parse(bytes).unwrap().unwrap();
    let (method, path, length, headers) = read(bytes);
    assert_eq!((ours.method.as_wire(), ours.target, ours.length), (method.as_str(), path.as_str(), length));
    let own: Vec<(String, String)> =
        ours.headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
    assert_eq!(own, headers);

    let (sent_method, sent_path, sent_length, sent) = read(&request.head);
    assert_eq!((sent_method, sent_path, sent_length), (method, path, request.head.len()));
    let of = |list: &[(String, String)], name: &str| {
        list.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&sent, "host"), of(&headers, "host"));
    assert_eq!(of(&sent, "connection"), ["close"]);
    assert!(of(&sent, "transfer-encoding").is_empty());
    let lengths = of(&sent, "content-length");
    assert_eq!(lengths, of(&headers, "content-length"));
    assert_eq!(lengths.first().map_or(0, |length| length.parse().unwrap()), request.body);
    assert!(of(&sent, CERTIFICATE).iter().all(|certificate| certificate == OWN));
    assert_eq!(sent.len(), headers.len() + 1, "a Connection, and nothing else");
}

#[test]
fn what_passes_is_read_alike_by_another_parser() {
    let (seeds, mut random) = (seeds(), Random(11));
    let mut passed = 0;
    for round in 0..ROUNDS {
        let (target, seed) = &seeds[round % seeds.len()];
        let bytes = broken(&mut random, seed.clone(), &seeds);
        if let Some(request) = judged(&bytes, *target) {
            is_read_alike(&bytes, &request);
            passed += 1;
        }
    }
    assert!(passed > ROUNDS / 50, "only {passed} passed: that proves little");
    assert!(passed < ROUNDS / 2, "{passed} passed: too little was broken");
    for (target, seed) in &seeds {
        is_read_alike(seed, &judged(seed, *target).unwrap());
    }
}
