//! Where a path leads that passes: whoever resolves it, decoded first or not, comes to a place below `/machine/`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test tooling: it may say what it means")]

use std::net::SocketAddrV4;

use waagent_common::documents::Endpoint;
use waagent_common::gate::protocol::Target;
use waagent_gate::request::judge;
use waagent_support::Random;

const ROUNDS: usize = 100_000;

/// What ways out are made of, and what other readers take for that.
const PIECES: &[&str] = &[
    "/",
    "/",
    "/",
    "//",
    "..",
    "..",
    ".",
    "...",
    "a",
    "b.c",
    "%2e",
    "%2E%2e",
    "%2f",
    "%252e",
    "%252f",
    "\\",
    "%5c",
    ";",
    ";a=b",
    "?",
    "%3f",
    "%3F",
    "%253f",
    "%u003f",
    "%23",
    "%20",
    " ",
    "%09",
    "%00",
    "%c0%ae",
    "%c0%af",
    "%e0%80%ae",
    "%ef%bc%8e",
    "%ef%bc%8f",
    "%u002e",
    "%u002f",
    "%C3%84",
    "%",
    "comp=config",
    "&",
];

/// RFC 3986, 5.2.4, on segments.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        match segment {
            b"." => {}
            b".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    segments.iter().flat_map(|segment| [b"/", *segment].concat()).collect()
}

/// RFC 3986, 2.1.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                result.push(byte);
                rest = &after[2..];
            }
            _ => {
                result.push(*first);
                rest = after;
            }
        }
    }
    result
}

fn path_of(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap()
}

/// The path, as readers see it who decode never, once and twice, and before or after they look for the query.
fn readings(target: &str) -> Vec<Vec<u8>> {
    let (raw, once) = (target.as_bytes(), decoded(target.as_bytes()));
    let twice = decoded(&once);
    let own = decoded(path_of(raw));
    [path_of(raw), path_of(&once), path_of(&twice), &own, &decoded(&own)].map(<[u8]>::to_vec).into()
}

fn passes(target: &str) -> bool {
    let head = format!("GET {target} HTTP/1.1\r\nHost: 168.63.129.16\r\n\r\n");
    let address = SocketAddrV4::new(Endpoint::WELL_KNOWN, 80);
    judge(head.as_bytes(), Target::WireServer, address, || Ok(String::new()))
        .is_ok_and(|passed| passed.is_some())
}

#[test]
fn a_path_that_passes_leads_nowhere_else() {
    let mut random = Random(3986);
    let mut passed = 0;
    for _ in 0..ROUNDS {
        let pieces: String = (0..=random.below(6)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        let target = format!("/machine/{pieces}");
        if passes(&target) {
            passed += 1;
            for path in readings(&target) {
                let cleaned = without_dots(&path);
                assert!(cleaned.starts_with(b"/machine/"), "{target}: {}", String::from_utf8_lossy(&cleaned));
            }
        }
    }
    assert!(passed > ROUNDS / 50, "only {passed} passed: that proves little");
}
