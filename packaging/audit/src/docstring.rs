//! The first lines of a program's `main.rs`, which are its page.

/// What a program says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Docstring {
    /// What it does, in two sentences.
    pub does: String,
    /// What someone who owns its process can do, and can't.
    pub security: String,
    /// What it reads, in its own words.
    pub reads: String,
    /// What it writes, in its own words.
    pub writes: String,
}

/// Reads the docstring of a source file.
pub fn read(source: &str) -> Docstring {
    let paragraphs = paragraphs(source);
    let section = |name: &str| {
        let found = paragraphs.iter().find_map(|text| text.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_default().trim().to_owned()
    };
    Docstring {
        does: section("Does"),
        security: section("Security"),
        reads: section("Reads"),
        writes: section("Writes"),
    }
}

/// Its paragraphs, each on one line; a line that begins with a known word and a colon begins one.
fn paragraphs(source: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim) {
        let line = line.replace("**", "");
        if line.is_empty() || HEADINGS.iter().any(|name| line.starts_with(name)) {
            found.push(String::new());
        }
        if let Some(last) = found.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(&line);
        }
    }
    found
}

const HEADINGS: &[&str] = &["Does:", "Reads:", "Writes:", "Exit codes:", "Security:", "Where:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_both_ways_of_writing_it() {
        for source in [
            "//! # x\n//!\n//! **Does**: one\n//! two.\n//!\n//! **Security**: none.\nuse a;",
            "//! x\n//! Does: one\n//! two.\n//! Reads: a\n//! Security: none.\nuse a;",
        ] {
            let page = read(source);
            assert_eq!((page.does.as_str(), page.security.as_str()), ("one two.", "none."));
        }
    }
}
