//! The copy of `ovf-env.xml` that stays: without passwords.

use std::ops::Range;

use waagent_common::xml::Element;

use super::parse;

/// What stands in a password's place; cloud-init knows the word and takes it for no password.
const REDACTED: &str = "REDACTED";

/// The file without its passwords, still a file that every reader of the original takes.
///
/// `None` where a second look still finds one: then nothing may be written.
pub(crate) fn redact(text: &str) -> Option<String> {
    let root = parse(text).ok()?;
    let mut ranges = Vec::new();
    passwords(&root, &mut ranges);
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        clean.push_str(text.get(from..range.start)?);
        clean.push_str(REDACTED);
        from = range.end;
    }
    clean.push_str(text.get(from..)?);
    is_clean(&parse(&clean).ok()?).then_some(clean)
}

/// Whatever the prefix or namespace; an empty one stays empty.
fn is_password(element: &Element) -> bool {
    matches!(element.name.as_str(), "UserPassword" | "AdminPassword") && !element.content.is_empty()
}

/// The tree's depth is bounded by its parser.
fn passwords(element: &Element, ranges: &mut Vec<Range<usize>>) {
    if is_password(element) {
        ranges.push(element.content.clone());
        return;
    }
    for child in &element.children {
        passwords(child, ranges);
    }
}

fn is_clean(element: &Element) -> bool {
    if is_password(element) {
        return element.whole_text() == REDACTED && element.children.is_empty();
    }
    element.children.iter().all(is_clean)
}
