//! Foreign text, made fit for a line that a person reads.

use std::fmt::Write;

/// How much of a foreign text an error shows, in bytes.
pub const SHOWN: usize = 200;

/// Foreign text for an error message: control characters escaped, cut at 200 bytes.
pub fn shown(text: &str) -> String {
    one_line(text, SHOWN)
}

/// One line of at most `max` bytes: control characters escaped, the cut marked.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        if line.len() + 6 > max {
            line.push('…');
            break;
        }
        if c.is_control() || turns_the_line(c) {
            // Writing into a string can't fail.
            let _infallible = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Characters that show what follows them in another order (Unicode Standard Annex 9, explicit formatting): a terminal
/// would let a text look like another.
fn turns_the_line(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most `max` bytes of a text, cut between characters.
pub fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A number and its things: `1 extension`, `2 extensions`.
pub fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_could_forge_a_second_line() {
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert!(one_line(&"é".repeat(500), 200).len() <= 203);
    }
}
