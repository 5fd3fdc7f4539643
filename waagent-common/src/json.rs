//! JSON of others, and the one way to read it: its values are counted before anything is made of them.
//!
//! A bound on bytes is none on memory: `[[0],[0],...]` becomes a hundred times as big, since serde_json with the order
//! of members and the texts of numbers kept takes up to 330 bytes a value (72 for itself, room for four in each list, a
//! table for each object). So what is read here stays below 11 MB besides the bytes of its texts.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as Derive, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::text::shown;

/// Most values of a text: a goal state with 512 instances of extensions has 16 000.
pub const MAX_VALUES: usize = 32_768;
/// Deepest text that serde_json takes.
pub const MAX_DEPTH: usize = 127;

/// Why a text can't be used.
#[derive(Debug)]
pub enum Refused {
    /// It is no JSON, or of another shape.
    Syntax(serde_json::Error),
    /// It has more than [`MAX_VALUES`].
    Values,
    /// It is nested deeper than this.
    Depth(usize),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => f.write_str(&shown(&error.to_string())),
            Self::Values => write!(f, "more than {MAX_VALUES} values"),
            Self::Depth(max) => write!(f, "nested deeper than {max}"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax(error)
    }
}

/// Reads a text of at most [`MAX_VALUES`] and `depth`; a byte order mark before it is passed over.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], depth: usize) -> Result<T, Refused> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let survey = survey(bytes);
    if survey.values > MAX_VALUES {
        return Err(Refused::Values);
    }
    if survey.depth > depth {
        return Err(Refused::Depth(depth));
    }
    Ok(serde_json::from_slice(bytes)?)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Survey {
    /// At least as many as there are.
    values: usize,
    depth: usize,
}

/// Counts what stands before a value (a bracket, a comma) outside of texts; what is no JSON is counted too.
fn survey(bytes: &[u8]) -> Survey {
    let mut found = Survey { values: 1, depth: 0 };
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                found.values += 1;
                depth += 1;
                found.depth = found.depth.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => found.values += 1,
            _ => {}
        }
    }
    found
}

/// A JSON text that was checked and is handed on as it is, never taken apart: it costs its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Derive)]
#[serde(try_from = "String", into = "String")]
pub struct JsonText(String);

impl JsonText {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for JsonText {
    type Error = Refused;

    fn try_from(text: String) -> Result<Self, Refused> {
        check(&text).map(|()| Self(text))
    }
}

impl From<JsonText> for String {
    fn from(text: JsonText) -> Self {
        text.0
    }
}

/// Is it JSON, to its last escape, and no deeper than [`MAX_DEPTH`]? Nothing of it is kept.
pub fn check(text: &str) -> Result<(), Refused> {
    let Sound = serde_json::from_str(text)?;
    Ok(())
}

/// How long something is as JSON, in bytes.
pub fn length(value: &impl Serialize) -> usize {
    let mut counted = Counted(0);
    // Counting can't fail, and what can't be JSON has no length.
    let _infallible = serde_json::to_writer(&mut counted, value);
    counted.0
}

/// How many values it has, itself included.
pub fn values(value: &Value) -> usize {
    let mut rest = vec![value];
    let mut count = 0_usize;
    while let Some(value) = rest.pop() {
        count = count.saturating_add(1);
        match value {
            Value::Array(list) => rest.extend(list),
            Value::Object(members) => rest.extend(members.values()),
            _ => {}
        }
    }
    count
}

struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The values of these members of an object, as text; of two of one name the last, as Python takes it.
pub fn members<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a str>; N], Refused> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    let found = deserializer.deserialize_map(Members(names))?;
    deserializer.end()?;
    Ok(found)
}

struct Members<'n, const N: usize>([&'n str; N]);

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de str>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            let slot = self.0.iter().position(|known| *known == name).and_then(|at| found.get_mut(at));
            if let Some(slot) = slot {
                *slot = Some(value.get());
            }
        }
        Ok(found)
    }
}

/// The first element of an array, as text.
pub fn first(array: &str) -> Result<Option<&str>, Refused> {
    let mut deserializer = serde_json::Deserializer::from_str(array);
    let found = deserializer.deserialize_seq(First)?;
    deserializer.end()?;
    Ok(found)
}

struct First;

impl<'de> Visitor<'de> for First {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let first = list.next_element::<&RawValue>()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.map(RawValue::get))
    }
}

/// As many of an array's first elements as have [`MAX_VALUES`] together, none deeper than `depth`; the rest is passed over.
pub fn beginning(array: &str, depth: usize) -> Result<Vec<Value>, Refused> {
    let mut deserializer = serde_json::Deserializer::from_str(array);
    let found = deserializer.deserialize_seq(Beginning(depth))?;
    deserializer.end()?;
    Ok(found)
}

struct Beginning(usize);

impl<'de> Visitor<'de> for Beginning {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut left) = (Vec::new(), MAX_VALUES);
        while let Some(element) = list.next_element::<&RawValue>()? {
            let survey = survey(element.get().as_bytes());
            if survey.depth > self.0 {
                return Err(A::Error::custom(Refused::Depth(self.0)));
            }
            // From the first that doesn't fit on, none does: the beginning, without gaps.
            left = left.saturating_sub(survey.values);
            if left > 0 {
                found.push(serde_json::from_str(element.get()).map_err(A::Error::custom)?);
            }
        }
        Ok(found)
    }
}

/// Any value, looked through and dropped: depth and escapes are checked, which [`IgnoredAny`] doesn't do.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    /// Long numbers come this way too, as serde_json keeps their texts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_values_and_depth_outside_of_texts() {
        for (text, values, depth) in [
            ("0", 1, 0),
            (r#"{"a": [1, 2], "b": "[,{\",["}"#, 5, 2),
            (r#"["\\", "]"]"#, 3, 1),
            ("[[[]]]", 4, 3),
            ("]]][", 2, 1),
        ] {
            assert_eq!(survey(text.as_bytes()), Survey { values, depth }, "{text}");
        }
    }

    #[test]
    fn a_text_of_too_many_values_is_refused_before_it_is_parsed_and_a_long_one_is_taken() {
        let many = format!("[{}0]", "[0],".repeat(MAX_VALUES));
        assert!(matches!(read::<Value>(many.as_bytes(), 9), Err(Refused::Values)));
        let long = format!("[\"{}\"]", "[,".repeat(1 << 20));
        assert!(read::<Value>(long.as_bytes(), 9).is_ok());
    }

    #[test]
    fn a_text_that_is_too_deep_is_refused_and_a_byte_order_mark_is_none_of_it() {
        let deep = |levels| format!("\u{feff}{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read::<Value>(deep(64).as_bytes(), 64).is_ok());
        assert!(matches!(read::<Value>(deep(65).as_bytes(), 64), Err(Refused::Depth(64))));
        assert!(read::<Value>(deep(MAX_DEPTH).as_bytes(), MAX_DEPTH).is_ok());
    }

    #[test]
    fn a_kept_text_is_json_to_its_last_escape_and_depth() {
        let text = r#"{"z":1.50,"a":[null,true,-1e400,0,-1,18446744073709551616,"é\ud83d\ude00"]}"#;
        assert_eq!(JsonText::try_from(text.to_owned()).unwrap().as_str(), text);
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for bad in ["", "{", "{} {}", "[1,]", r#""\ud800""#, r#""\x""#, "NaN", &deep] {
            assert!(JsonText::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn takes_the_beginning_of_a_long_array_and_looks_through_the_rest() {
        let long = format!("[{}{{}}]", r#"{"a": [1]}, "#.repeat(MAX_VALUES));
        let found = beginning(&long, 9).unwrap();
        assert!(found.len() > MAX_VALUES / 4 && found.len() < MAX_VALUES, "{}", found.len());
        assert_eq!(beginning("[1, {}]", 9).unwrap().len(), 2);
        for bad in ["{}", "[1", "[[[1]]]", "[1] 2"] {
            assert!(beginning(bad, 1).is_err(), "{bad}");
        }
    }

    #[test]
    fn picks_members_and_the_first_element_as_text() {
        let found = members(r#"{"a": 1, "b": [ {} ], "a": {"c":2}, "d": 3}"#, ["a", "b", "x"]).unwrap();
        assert_eq!(found, [Some(r#"{"c":2}"#), Some("[ {} ]"), None]);
        assert_eq!(first(r#"[ {"a": 1}, 2]"#).unwrap(), Some(r#"{"a": 1}"#));
        assert_eq!(first("[]").unwrap(), None);
        assert!(members("[]", ["a"]).is_err() && first("{}").is_err() && members("{} 1", ["a"]).is_err());
    }
}
