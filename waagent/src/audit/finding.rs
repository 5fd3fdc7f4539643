//! What was compared, and what came of it.

use serde::Serialize;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The program that it is about, `waagent` for what is all programs'.
    pub program: String,
    /// The layer.
    pub layer: Layer,
    /// What was compared: a unit and its key, a process and its field, a path.
    pub what: String,
    /// What came of it.
    pub state: State,
    /// What the declaration says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What is in force; why it couldn't be looked at.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Layers in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The installed files are the package's.
    Digest,
    /// What systemd grants.
    Unit,
    /// What the kernel holds a running process by.
    Process,
    /// What was in force when a program wrote last.
    Document,
    /// Owners and modes of folders, keys and documents.
    Mode,
    /// SELinux labels.
    Label,
}

/// What came of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As declared.
    Ok,
    /// Couldn't be looked at, and why.
    Unchecked,
    /// Otherwise than declared.
    Differs,
}

/// Where findings are about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The program.
    pub program: String,
    /// The layer.
    pub layer: Layer,
}

impl Subject {
    /// A program and a layer.
    pub fn new(program: &str, layer: Layer) -> Self {
        Self { program: program.to_owned(), layer }
    }

    /// As declared.
    pub fn ok(&self, what: impl Into<String>) -> Finding {
        self.finding(what.into(), State::Ok)
    }

    /// Not to be looked at, and why.
    pub fn unchecked(&self, what: impl Into<String>, why: impl Into<String>) -> Finding {
        Finding { found: why.into(), ..self.finding(what.into(), State::Unchecked) }
    }

    /// Otherwise than declared.
    pub fn differs(
        &self,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let finding = self.finding(what.into(), State::Differs);
        Finding { expected: expected.into(), found: found.into(), remedy: remedy.into(), ..finding }
    }

    /// Equal or not.
    pub fn compare(&self, what: impl Into<String>, expected: &str, found: &str, remedy: &str) -> Finding {
        if expected == found {
            self.ok(what)
        } else {
            self.differs(what, shown(expected), shown(found), remedy)
        }
    }

    fn finding(&self, what: String, state: State) -> Finding {
        let empty = String::new;
        Finding {
            program: self.program.clone(),
            layer: self.layer,
            what,
            state,
            expected: empty(),
            found: empty(),
            remedy: empty(),
        }
    }
}

/// Words for nothing; foreign text escaped and cut.
fn shown(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { waagent_common::text::shown(text) }
}
