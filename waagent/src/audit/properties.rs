//! Properties of a unit as `systemctl show` prints them, and values of unit files in the same spelling.

use std::collections::BTreeSet;

/// Names and values; a name may come more than once.
#[derive(Debug, Clone, Default)]
pub struct Properties(Vec<(String, String)>);

impl Properties {
    /// Reads what `systemctl show` prints.
    pub fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Does this systemd know the property?
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// The first value; nothing where there is none.
    pub fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All values, each on a line of its own in what systemctl printed.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The words of all values.
    pub fn words(&self, name: &str) -> BTreeSet<String> {
        self.values(name).flat_map(str::split_whitespace).map(str::to_owned).collect()
    }
}

/// Bytes of `256M`; what has no suffix stays as it is.
pub fn bytes(value: &str) -> String {
    let unit = match value.as_bytes().last() {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        _ => return value.to_owned(),
    };
    let number = value.get(..value.len().saturating_sub(1)).and_then(|digits| digits.parse::<u64>().ok());
    let whole = number.and_then(|number| number.checked_mul(1 << unit));
    whole.map_or_else(|| value.to_owned(), |whole| whole.to_string())
}

/// Addresses with their prefix lengths; `any` is both families'.
pub fn addresses<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for word in words {
        match word {
            "any" => all.extend(["0.0.0.0/0", "::/0"].map(str::to_owned)),
            word if word.contains('/') => drop(all.insert(word.to_owned())),
            word if word.contains(':') => drop(all.insert(format!("{word}/128"))),
            word => drop(all.insert(format!("{word}/32"))),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brings_both_spellings_together() {
        assert_eq!(bytes("256M"), "268435456");
        assert_eq!(bytes("16"), "16");
        assert_eq!(addresses("any".split(' ')), addresses("::/0 0.0.0.0/0".split(' ')));
        assert_eq!(addresses("127.0.0.1".split(' ')), addresses("127.0.0.1/32".split(' ')));
    }

    #[test]
    fn keeps_every_line_of_a_property() {
        let found = Properties::parse("DeviceAllow=block-sd rw\nDeviceAllow=/dev/console w\nUser=\n");
        assert_eq!(found.values("DeviceAllow").count(), 2);
        assert!(found.has("User") && found.value("User").is_empty() && !found.has("Group"));
    }
}
