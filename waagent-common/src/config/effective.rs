//! The configuration in effect.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::rc::Rc;

use super::files::{Source, Sources};
use super::lines::{Line, Written, lines};
use super::nearest::nearest;
use super::table::{Key, Kind, REMOVED};
use super::value::{Value, Verdict, addresses, judge};
use super::warning::{Severity, Warning, Warnings, quoted};
use super::{IntegerKey, OptionalIntegerKey, OptionalTextKey, SwitchKey, TextKey};
use crate::digest::sha256;
use crate::fault::{Exit, Fault};

/// The configuration in effect: files, defaults where they say nothing, and what was wrong with them.
#[derive(Debug, Clone)]
pub struct Config {
    set: BTreeMap<Key, Setting>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Clone)]
struct Setting {
    value: Value,
    origin: Origin,
}

/// Where a key was written.
#[derive(Debug, Clone)]
struct Origin {
    file: Rc<str>,
    line: usize,
}

/// The last thing that the files say about each key.
type Last = BTreeMap<Key, (Written, Origin)>;

impl Config {
    /// Reads the configuration below `root` (`/` but in tests), or from the file `override_path` alone; an error is 78.
    pub fn load(root: &Path, override_path: Option<&Path>) -> Result<Self, Fault> {
        Self::of(&Sources::read(root, override_path))
    }

    /// Understands what was read.
    pub fn of(sources: &Sources) -> Result<Self, Fault> {
        if let Some(error) = &sources.unusable {
            return Err(error.clone());
        }
        let mut warnings = Warnings::default();
        if sources.is_built_in {
            let text = "'/etc/waagent.conf' is missing or empty, using the built-in configuration".to_owned();
            warnings.of_key(Severity::Warning, text);
        }
        Self::from_sources(&sources.list, warnings)
    }

    fn from_sources(sources: &[Source], mut warnings: Warnings) -> Result<Self, Fault> {
        let mut last = Last::new();
        for source in sources {
            gather(source, &mut last, &mut warnings);
        }
        let mut set = BTreeMap::new();
        for (key, (written, origin)) in last {
            let is_said = matches!(written, Written::Value(_));
            match settle(key, written, &origin, &mut warnings)? {
                Some(value) => {
                    set.insert(key, Setting { value, origin });
                }
                None if is_said && key == Key::Text(TextKey::ResourceDiskMountPoint) => {
                    // Mounted elsewhere than meant, it would be found by nobody, or cover something.
                    warnings.of_key(
                        Severity::Warning,
                        format!("{origin}: using ResourceDisk.Format=n for that reason"),
                    );
                    set.insert(
                        Key::Switch(SwitchKey::ResourceDiskFormat),
                        Setting { value: Value::Switch(false), origin },
                    );
                }
                None => {}
            }
        }
        Ok(Self { set, warnings: warnings.into_vec() })
    }

    /// What programs log at their start, each once.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A switch.
    pub fn switch(&self, key: SwitchKey) -> bool {
        match (self.value(Key::Switch(key)), key.row().kind) {
            (Some(Value::Switch(value)), _) => *value,
            (_, Kind::Switch { default, .. }) if key == SwitchKey::AutoUpdateUpdateToLatestVersion => {
                default && self.switch(SwitchKey::AutoUpdateEnabled)
            }
            (_, Kind::Switch { default, .. }) => default,
            _ => false,
        }
    }

    /// A number, in its range.
    pub fn integer(&self, key: IntegerKey) -> u64 {
        match (self.value(Key::Integer(key)), key.row().kind) {
            (Some(Value::Integer(value)), _) => *value,
            _ if key == IntegerKey::ExtensionsInitialGoalStatePeriod => {
                self.integer(IntegerKey::ExtensionsGoalStatePeriod)
            }
            (_, Kind::Integer { default, .. }) => default,
            _ => 0,
        }
    }

    /// A number, in its range, or nothing.
    pub fn optional_integer(&self, key: OptionalIntegerKey) -> Option<u64> {
        match (self.value(Key::OptionalInteger(key)), key.row().kind) {
            (Some(Value::Integer(value)), _) => Some(*value),
            (None, Kind::OptionalInteger { default, .. }) => default,
            _ => None,
        }
    }

    /// A string; paths are absolute, without `..` and without a slash at the end.
    pub fn text(&self, key: TextKey) -> &str {
        match (self.value(Key::Text(key)), key.row().kind) {
            (Some(Value::Text(value)), _) => value,
            (_, Kind::Text { default, .. }) => default,
            _ => "",
        }
    }

    /// A string or nothing. A proxy whose credentials were cut out begins with `***@` and must be refused.
    pub fn optional_text(&self, key: OptionalTextKey) -> Option<&str> {
        match self.value(Key::OptionalText(key)) {
            Some(Value::Text(value)) if !value.is_empty() => Some(value),
            _ => None,
        }
    }

    /// Addresses that may be the platform's server besides the usual one.
    pub fn allowed_endpoints(&self) -> Vec<Ipv4Addr> {
        self.optional_text(OptionalTextKey::ProtocolAllowedEndpoints).and_then(addresses).unwrap_or_default()
    }

    /// Does a file set it?
    pub fn is_set(&self, key: Key) -> bool {
        self.set.contains_key(&key)
    }

    /// `<file>:<line>`, or `default`.
    pub fn origin(&self, key: Key) -> String {
        self.set.get(&key).map_or_else(|| "default".to_owned(), |setting| setting.origin.to_string())
    }

    /// Sha256 in hex of what `program` (`waagent-net` or `net`) reads: sorted lines `key=value`. One of the inputs of
    /// each document, so that a changed key makes exactly the programs work again that use it.
    pub fn digest_for(&self, program: &str) -> String {
        let used = Key::all().filter(|key| key.row().is_used_by(program));
        let mut rows: Vec<String> =
            used.map(|key| format!("{}={}\n", key.row().name, self.shown(key))).collect();
        rows.sort();
        sha256(rows.concat().as_bytes())
    }

    fn value(&self, key: Key) -> Option<&Value> {
        self.set.get(&key).map(|setting| &setting.value)
    }

    /// The value as `-show-configuration` prints it.
    pub(super) fn shown(&self, key: Key) -> String {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "None".to_owned());
        match key {
            Key::Switch(key) => if self.switch(key) { "True" } else { "False" }.to_owned(),
            Key::Integer(key) => self.integer(key).to_string(),
            Key::OptionalInteger(key) => or_none(self.optional_integer(key).map(|value| value.to_string())),
            Key::Text(key) => self.text(key).to_owned(),
            Key::OptionalText(key) => or_none(self.optional_text(key).map(str::to_owned)),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// Notes what the lines of one file say.
fn gather(source: &Source, last: &mut Last, warnings: &mut Warnings) {
    let file: Rc<str> = Rc::from(source.name.as_str());
    for Line { number, key: name, value } in lines(&source.bytes) {
        let origin = Origin { file: Rc::clone(&file), line: number };
        let Some(key) = Key::named(&name) else {
            stranger(&name, &value, &origin, warnings);
            continue;
        };
        if let Written::Damaged(cause) = value {
            let outcome = match key.row().kind {
                Kind::Switch { closed: Some(closed), .. } => format!("using {}", letter(closed)),
                _ => "ignoring".to_owned(),
            };
            let text = || format!("{origin}: cannot read the line of {name}: {cause}, {outcome}");
            warnings.of_line(Severity::Error, text);
            if !matches!(key.row().kind, Kind::Switch { closed: Some(_), .. }) {
                continue;
            }
        }
        if let Some((_, before)) = last.get(&key).filter(|(_, before)| before.file == origin.file) {
            let line = before.line;
            warnings.of_line(Severity::Info, || {
                format!("{origin}: {name} is set in line {line} too, using this one")
            });
        }
        last.insert(key, (value, origin));
    }
}

/// A line whose key is not in the table.
fn stranger(name: &str, value: &Written, origin: &Origin, warnings: &mut Warnings) {
    let removed = REMOVED.iter().find(|(known, _)| *known == name);
    match (value, removed) {
        // The line isn't shown: it may be half of a password.
        (Written::Damaged(cause), _) => {
            warnings
                .of_line(Severity::Warning, || format!("{origin}: cannot read the line: {cause}, ignoring"));
        }
        (Written::NotSet, Some(_)) => {}
        (Written::Value(_), Some((known, reason))) => {
            let severity = if known.starts_with("Role.") { Severity::Warning } else { Severity::Info };
            warnings.of_line(severity, || format!("{origin}: {known} has no effect: {reason}, ignoring"));
        }
        (_, None) => warnings.of_line(Severity::Warning, || {
            let hint = nearest(name).map_or_else(String::new, |known| format!(" (did you mean {known}?)"));
            format!("{origin}: there is no key {}{hint}, ignoring", quoted(name))
        }),
    }
}

/// The value that is in effect; nothing: the default.
fn settle(
    key: Key,
    written: Written,
    origin: &Origin,
    warnings: &mut Warnings,
) -> Result<Option<Value>, Fault> {
    let row = key.row();
    let closed = match row.kind {
        Kind::Switch { closed, .. } => closed.map(Value::Switch),
        _ => None,
    };
    let text = match written {
        Written::NotSet => {
            let is_optional = matches!(row.kind, Kind::OptionalInteger { .. } | Kind::OptionalText { .. });
            return Ok(is_optional.then_some(Value::Nothing));
        }
        Written::Damaged(_) => return Ok(closed), // said when the line was read
        Written::Value(text) => text,
    };
    let what = format!("{origin}: {}={}", row.name, quoted(&text));
    let value = match judge(row.kind, &text) {
        Verdict::Good(value) => Some(value),
        Verdict::Changed(value, accepted) => {
            let what = if text.contains('@') { format!("{origin}: {}", row.name) } else { what };
            warnings.of_key(
                Severity::Warning,
                format!("{what}: {accepted}, using {}", used(Some(&value), row.kind)),
            );
            Some(value)
        }
        Verdict::Bad(accepted) => {
            let severity = if closed.is_some() { Severity::Error } else { Severity::Warning };
            warnings
                .of_key(severity, format!("{what}: {accepted}, using {}", used(closed.as_ref(), row.kind)));
            closed
        }
        Verdict::Fatal(reason) => {
            return Err(Fault::new(Exit::Config, format!("cannot use {what}: {reason}; remove the line")));
        }
    };
    if let (Some(reason), Some(value)) = (row.ignored(), &value)
        && used(Some(value), row.kind) != used(None, row.kind)
    {
        let text = format!("{origin}: {} has no effect: {reason}, ignoring", row.name);
        warnings.of_key(Severity::Info, text);
    }
    Ok(value)
}

/// The value that holds, as one writes it in the file.
fn used(value: Option<&Value>, kind: Kind) -> String {
    match (value, kind) {
        (Some(Value::Switch(value)), _) => letter(*value).to_owned(),
        (Some(Value::Text(value)), _) => quoted(value),
        (None, Kind::Switch { default, .. }) => letter(default).to_owned(),
        (None, Kind::Text { default, .. }) => quoted(default),
        (Some(Value::Integer(number)), _) => number.to_string(),
        (None, Kind::Integer { default, .. } | Kind::OptionalInteger { default: Some(default), .. }) => {
            default.to_string()
        }
        (Some(Value::Nothing), _) | (None, Kind::OptionalInteger { .. } | Kind::OptionalText { .. }) => {
            "None".to_owned()
        }
    }
}

const fn letter(switch: bool) -> &'static str {
    if switch { "y" } else { "n" }
}
