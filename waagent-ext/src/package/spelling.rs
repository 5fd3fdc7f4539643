//! How an entry's name is spelled in bytes: UTF-8 where it says so, else the IBM PC's, as Python's zipfile takes it.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The bytes of a name, and what they mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling<'a> {
    bytes: &'a [u8],
    is_utf_8: bool,
}

impl<'a> Spelling<'a> {
    /// These bytes, of an entry that says whether they are UTF-8.
    pub(crate) fn new(bytes: &'a [u8], is_utf_8: bool) -> Self {
        Self { bytes, is_utf_8: is_utf_8 || bytes.is_ascii() }
    }

    /// The name as text.
    pub(crate) fn text(self) -> Cow<'a, str> {
        if self.is_utf_8 { String::from_utf8_lossy(self.bytes) } else { self.letters().collect() }
    }

    /// By the parts of the path, folder by folder. Nothing is decoded that is the same in bytes: a sort of a hundred
    /// thousand long names asks two million times.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        let (mut ours, mut theirs) = (self.parts(), other.parts());
        loop {
            match (ours.next(), theirs.next()) {
                (Some(one), Some(other)) if one.is_same(other) => {}
                (Some(one), Some(other)) => match one.letters().cmp(other.letters()) {
                    Ordering::Equal => {}
                    unequal => return unequal,
                },
                (one, other) => return one.is_some().cmp(&other.is_some()),
            }
        }
    }

    /// As [`super::names::split`] has them: a slash and a dot are the same byte in both spellings.
    fn parts(self) -> impl Iterator<Item = Self> {
        self.bytes
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
            .map(move |bytes| Self { bytes, ..self })
    }

    fn is_same(self, other: Self) -> bool {
        self.is_utf_8 == other.is_utf_8 && self.bytes == other.bytes
    }

    fn letters(self) -> impl Iterator<Item = char> {
        let (utf_8, ibm): (&[u8], &[u8]) = if self.is_utf_8 { (self.bytes, &[]) } else { (&[], self.bytes) };
        let lossy = |chunk: std::str::Utf8Chunk<'a>| {
            let damaged = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            chunk.valid().chars().chain(damaged)
        };
        utf_8.utf8_chunks().flat_map(lossy).chain(ibm.iter().copied().map(letter))
    }
}

fn letter(byte: u8) -> char {
    let upper = byte.checked_sub(0x80).and_then(|upper| CODE_PAGE_437.get(usize::from(upper)));
    upper.copied().unwrap_or(char::from(byte))
}

/// What bytes from 0x80 are in names that aren't UTF-8 (APPNOTE.TXT, appendix D).
#[rustfmt::skip]
const CODE_PAGE_437: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐',
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧',
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀',
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩',
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::names;

    #[test]
    fn names_are_in_the_order_of_their_parts_as_text_however_they_are_spelled() {
        let bytes: [&[u8]; 9] =
            [b"a", b"a/b", b"a-b", b"./a//b", b"a/\x80", b"a/\xc3\x87", b"\xfe/x", b"\xff\xc3", b"\xe1.txt"];
        let all: Vec<Spelling<'_>> =
            bytes.iter().flat_map(|name| [Spelling::new(name, true), Spelling::new(name, false)]).collect();
        for one in &all {
            for other in &all {
                let (text, against) = (one.text(), other.text());
                let expected = names::split(&text).cmp(names::split(&against));
                assert_eq!(one.compare(*other), expected, "{text} {against}");
            }
        }
    }

    #[test]
    fn the_ibm_pcs_letters_are_those_of_its_code_page() {
        assert_eq!(Spelling::new(b"\x80b\x9c\xe1\xff", false).text(), "Çb£ß\u{a0}");
        assert_eq!(Spelling::new(b"\xc3\x9f", true).text(), "ß");
    }
}
