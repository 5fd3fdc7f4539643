//! What another reader could make of a path or query that is written in an odd way.

use std::ops::RangeInclusive;

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

/// Could no reader resolve the path to one elsewhere?
///
/// It ends at the first `?` that came as such: one that comes out of an escape would hide what follows it. No segment is of
/// dots alone, however they are written, also where a reader drops spaces or what follows a `;`.
fn stays_below(target: &str) -> bool {
    let path = decoded(target.split('?').next().unwrap_or_default());
    path.is_plain
        && !path.text.contains(['%', '?', '#'])
        && !path.text.contains(folds)
        && !path.text.split(['/', '\\']).any(is_of_dots)
}

fn is_of_dots(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    !name.is_empty() && name.chars().all(|character| matches!(character, '.' | ' '))
}

/// Could a reader take this character for one of ASCII? (Unicode, UAX 15: compatibility equivalence.)
fn folds(character: char) -> bool {
    FOLDING.iter().any(|range| range.contains(&character))
}

/// Long s; dot leaders; slashes; letterlike, enclosed, small and fullwidth forms; mathematical letters.
const FOLDING: &[RangeInclusive<char>] = &[
    '\u{17f}'..='\u{17f}',
    '\u{2024}'..='\u{2026}',
    '\u{2044}'..='\u{2044}',
    '\u{2100}'..='\u{214f}',
    '\u{2215}'..='\u{2216}',
    '\u{2460}'..='\u{24ff}',
    '\u{fe50}'..='\u{fe6f}',
    '\u{ff00}'..='\u{ffef}',
    '\u{1d400}'..='\u{1d7ff}',
];

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
    /// In lower case.
    text: String,
    /// Every `%` that it was written with began an escape, and what they made is UTF-8, which has one way to write a
    /// character (RFC 3629, 3), and no control character.
    is_plain: bool,
}

/// Undoes escapes, also escaped ones, and `%uXXXX`, which is no part of any standard.
fn decoded(target: &str) -> Decoded {
    let mut bytes = target.to_ascii_lowercase().into_bytes();
    let mut is_plain = true;
    for _ in 0..ROUNDS {
        let (next, is_well_formed) = once(&bytes);
        is_plain &= is_well_formed;
        if next == bytes {
            break;
        }
        bytes = next;
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    is_plain &= text.as_bytes() == bytes && !text.contains(char::is_control);
    Decoded { text, is_plain }
}

/// One round of decoding, and whether every `%` began an escape.
fn once(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut pieces = bytes.split(|byte| *byte == b'%');
    let mut result = pieces.next().unwrap_or_default().to_vec();
    let mut is_well_formed = true;
    for piece in pieces {
        let (character, rest) = escape(piece).unwrap_or_else(|| {
            is_well_formed = false;
            (b"%".to_vec(), piece)
        });
        result.extend_from_slice(&character);
        result.extend_from_slice(rest);
    }
    result.make_ascii_lowercase();
    (result, is_well_formed)
}

/// What the escape stands for whose digits begin this piece, and what follows them.
fn escape(piece: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    if let Some(piece) = piece.strip_prefix(b"u") {
        let (digits, rest) = piece.split_at_checked(4)?;
        let character = char::from_u32(number(digits)?)?;
        return Some((character.to_string().into_bytes(), rest));
    }
    let (digits, rest) = piece.split_at_checked(2)?;
    Some((vec![u8::try_from(number(digits)?).ok()?], rest))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
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
            "/machine/%C3%84rger/%E6%97%A5?comp=config",
            "/machine/x?a=b?/../c",
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
            // Behind a '?' or '#' that another reader doesn't take for one.
            "/machine/x%3f/../../HealthService",
            "/machine/%3F/../../?comp=versions",
            "/machine/x%253f/y",
            "/machine/%u003f/y",
            "/machine/..%23/y",
            "/machine/x%23y",
            // Longer than UTF-8 allows, or no UTF-8.
            "/machine/%c0%ae%c0%ae/y",
            "/machine/x%c0%af..%c0%afy",
            "/machine/%e0%80%ae%e0%80%ae/y",
            "/machine/%c4rger",
            "/machine/%ud800/y",
            "/machine/..%20/y",
            "/machine/.../y",
            "/machine/%20/y",
            "/machine/..%09/y",
            "/machine/..%00/y",
            "/machine/%C2%85/y",
            "/machine/%ef%bc%8e%ef%bc%8e/y",
            "/machine/x%ef%bc%8f..%ef%bc%8fy",
            "/machine/..%ef%bc%9bz/y",
            "/machine/x;comp=%EF%BD%83ertificates",
            "/machine/%E2%80%A5/y",
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
