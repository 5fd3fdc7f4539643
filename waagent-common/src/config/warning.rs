//! What the reader of the files has to say; the programs log it.

use std::fmt;

/// One sentence for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// How bad it is.
    pub severity: Severity,
    /// The sentence: file, line, key, value, what is accepted, what is used instead.
    pub text: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a line: a key without effect, a key set twice.
    Info,
    /// Something other than what was written is in effect.
    Warning,
    /// The same, and the machine's protection was at stake.
    Error,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The sentences of one load.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    kept: Vec<Warning>,
    of_lines: usize,
}

impl Warnings {
    /// About a key; each key has one or two at most.
    pub(super) fn of_key(&mut self, severity: Severity, text: String) {
        self.kept.push(Warning { severity, text });
    }

    /// About a line: a file can hold a million bad ones, so the first hundred are worded and the others counted.
    pub(super) fn of_line(&mut self, severity: Severity, text: impl FnOnce() -> String) {
        self.of_lines += 1;
        if self.of_lines <= MOST {
            self.kept.push(Warning { severity, text: text() });
        }
    }

    pub(super) fn into_vec(mut self) -> Vec<Warning> {
        if let Some(more) = self.of_lines.checked_sub(MOST).filter(|more| *more > 0) {
            let text = format!("{more} more lines of the configuration are wrong, ignoring");
            self.kept.push(Warning { severity: Severity::Warning, text });
        }
        self.kept
    }
}

/// Foreign text in quotes, control characters escaped, cut at 80 characters.
pub(super) fn quoted(text: &str) -> String {
    let escaped: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let cut = if text.chars().nth(SHOWN).is_some() { "..." } else { "" };
    format!("'{escaped}{cut}'")
}

/// Remarks about lines.
const MOST: usize = 100;
/// Characters of a value that a remark shows.
const SHOWN: usize = 80;
