//! What another reader could make of a path or query that is written in an odd way.

use crate::table::Path;

impl Path {
    /// Is this target of that form?
    pub(crate) fn matches(self, target: &str) -> bool {
        match self {
            Self::Exactly(path) => target == path,
            Self::Below(folder) => target.starts_with(folder) && stays_below(target),
        }
    }
}

/// No `.` or `..` as a segment, however it is written: a reader that resolves them would find another path.
fn stays_below(target: &str) -> bool {
    let decoded = decoded(target);
    let path = decoded.text.split('?').next().unwrap_or_default();
    !path.contains('%')
        && !path.split(['/', '\\']).any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// Could any reader take this for a request for something sealed (`comp=certificates`)?
///
/// Also by more decoding than HTTP knows, and where a query holds what a reader might fold into ASCII. Who is asked
/// without reason loses nothing: with the machine's own certificate the request passes.
pub(crate) fn may_ask_for_certificates(target: &str) -> bool {
    let decoded = decoded(target);
    let query = decoded.text.split_once('?').map_or("", |(_, query)| query);
    !decoded.is_plain
        || decoded.text.contains('%')
        || decoded.text.contains("certificates")
        || !query.is_ascii()
}

/// A target as the most eager reader sees it.
struct Decoded {
    /// In lower case. A byte that is no ASCII is any character that is none.
    text: String,
    /// Every `%` that it was written with began an escape, and none made a control character.
    is_plain: bool,
}

/// Undoes escapes, also escaped ones, and `%uXXXX`, which is no part of any standard.
fn decoded(target: &str) -> Decoded {
    let mut text = target.to_ascii_lowercase();
    let mut is_plain = true;
    for _ in 0..ROUNDS {
        let (next, is_well_formed) = once(&text);
        is_plain &= is_well_formed;
        if next == text {
            break;
        }
        text = next;
    }
    is_plain &= !text.chars().any(char::is_control);
    Decoded { text, is_plain }
}

/// One round of decoding, and whether every `%` began an escape.
fn once(text: &str) -> (String, bool) {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_well_formed = true;
    while let Some((before, after)) = rest.split_once('%') {
        result.push_str(before);
        let (digits, skipped) =
            if after.starts_with('u') { (after.get(1..5), 5) } else { (after.get(..2), 2) };
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.filter(is_hex).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(number) = number {
            let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
            result.push(character.to_ascii_lowercase());
            rest = after.get(skipped..).unwrap_or_default();
        } else {
            is_well_formed = false;
            result.push('%');
            rest = after;
        }
    }
    result.push_str(rest);
    (result, is_well_formed)
}

/// Escapes of escapes are undone so often: what has more of them is still escaped, and asked about for its `%`.
const ROUNDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Path = Path::Below("/machine/");

    #[test]
    fn takes_the_platforms_own_paths() {
        for target in [
            "/machine/?comp=goalstate",
            "/machine/865a6683/bc8b9d47%2Db5ed%2D4704.%5Fcanary?comp=config&type=sharedConfig&incarnation=1",
            "/machine/x/y%2Fz%C3%A4?comp=config&n=1",
            "/machine/..x/.y/z..?comp=config",
        ] {
            assert!(MACHINE.matches(target), "{target}");
            assert!(!may_ask_for_certificates(target), "{target}");
        }
    }

    #[test]
    fn refuses_paths_that_could_lead_elsewhere() {
        for target in [
            "/machine",
            "/machine?comp=health",
            "/Machine/?comp=goalstate",
            "//machine/",
            "/machine/../?comp=versions",
            "/machine/x/..",
            "/machine/./x",
            "/machine/%2e%2E/x",
            "/machine/%252e%252e/x",
            "/machine/x%2f..%2fy",
            "/machine/..\\x",
            "/machine/..%5cx",
            "/machine/%u002e%u002e/x",
            "/machine/..;a=b/x",
            "/machine/%2525252525252e%2525252525252e/x",
        ] {
            assert!(!MACHINE.matches(target), "{target}");
        }
        assert!(Path::Exactly("/versions").matches("/versions"));
        for target in ["/versions?", "/versions/", "/Versions", "/version%73", "/versions?x=y"] {
            assert!(!Path::Exactly("/versions").matches(target), "{target}");
        }
    }

    #[test]
    fn sees_a_request_for_certificates_in_any_spelling() {
        for target in [
            "/machine/x?comp=certificates&incarnation=1",
            "/machine/x?COMP=Certificates",
            "/machine/x?a=b&comp=%63ertificates",
            "/machine/x?comp=%43ERTIFICATES",
            "/machine/x?comp=%2563ertificates",
            "/machine/x?comp=%25252563ertificates",
            "/machine/x?comp=%2525252525252563ertificates",
            "/machine/x?comp=%u0063ertificates",
            "/machine/x?comp=c%65rtific%61tes",
            "/machine/x%3fcomp=certificates",
            "/machine/x%2525252525253fcomp=%25252525252563ertificates",
            "/machine/x;comp=certificates",
            "/machine/x?comp=%EF%BD%83ertificates",
            "/machine/x%3Fcomp=%EF%BD%83ertificates",
            "/machine/x?comp=cert%ificates",
            "/machine/x?comp=cert%00ificates",
            "/machine/x?comp=certificate%",
        ] {
            assert!(may_ask_for_certificates(target), "{target}");
        }
    }
}
