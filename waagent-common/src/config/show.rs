//! What `waagent -show-configuration` prints.

use super::effective::Config;
use super::table::{Key, Kind};

impl Config {
    /// One line `Key = Value` for each key, sorted by bytes, in the form of the Python agent: `True`, `False`, `None`.
    pub fn show(&self) -> String {
        listed().map(|key| format!("{} = {}\n", key.row().name, self.shown(key))).collect()
    }

    /// The same, with `  # <file>:<line>` or `  # default` at the end of each line.
    pub fn show_with_origin(&self) -> String {
        let line = |key: Key| format!("{} = {}  # {}\n", key.row().name, self.shown(key), self.origin(key));
        listed().map(line).collect()
    }

    /// `{key: {value, default, origin, status, meaning}}`.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |key: Key| {
            let row = key.row();
            let fields = serde_json::json!({
                "value": self.shown(key),
                "default": default(row.kind),
                "origin": self.origin(key),
                "status": row.ignored().map_or_else(|| "used".to_owned(), |reason| format!("ignored: {reason}")),
                "meaning": row.meaning,
            });
            (row.name.to_owned(), fields)
        };
        serde_json::Value::Object(listed().map(entry).collect())
    }
}

fn listed() -> impl Iterator<Item = Key> {
    let mut keys: Vec<Key> = Key::all().filter(|key| key.row().is_listed()).collect();
    keys.sort_by_key(|key| key.row().name);
    keys.into_iter()
}

fn default(kind: Kind) -> String {
    match kind {
        Kind::Switch { default, .. } => if default { "True" } else { "False" }.to_owned(),
        Kind::Text { default, .. } => default.to_owned(),
        Kind::Integer { default, .. } | Kind::OptionalInteger { default: Some(default), .. } => {
            default.to_string()
        }
        Kind::OptionalInteger { .. } | Kind::OptionalText { .. } => "None".to_owned(),
    }
}
