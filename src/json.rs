//! The strict JSON reader: a document that two parsers could read differently is rejected.

use std::{borrow::Cow, fmt};

use serde::{
    de::{self, Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
    ser::{self, Serialize},
};
use serde_json::value::RawValue;

/// Parses one JSON document: valid UTF-8, no trailing data, no byte-order mark, distinct names in
/// every object, and nesting no deeper than [`MAX_DEPTH`].
pub(crate) fn parse<'de, T: Deserialize<'de>>(text: &'de [u8]) -> serde_json::Result<T> {
    read(text, 1, |deserializer| T::deserialize(deserializer))
}

/// Like [`parse`], with a custom reader, which must check that the names of the outermost object
/// are distinct.
pub(crate) fn parse_with<'de, T>(
    text: &'de [u8],
    read_value: impl FnOnce(&mut Json<'de>) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    read(text, 2, read_value)
}

type Json<'de> = serde_json::Deserializer<serde_json::de::StrRead<'de>>;

/// Checks for duplicate names in all nested objects if there are at least `minimum` objects.
fn read<'de, T>(
    text: &'de [u8],
    minimum: usize,
    read_value: impl FnOnce(&mut Json<'de>) -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    if is_too_deep(text) {
        return Err(de::Error::custom("nested too deeply"));
    }
    // The whole text is validated at once, because skipped strings are not validated.
    let text = std::str::from_utf8(text).map_err(de::Error::custom)?;
    // A reader only inspects the members that it knows, so a separate pass checks every object.
    let is_listed = text.trim_ascii_start().starts_with(['{', '[']);
    if is_listed && text.bytes().filter(|byte| *byte == b'{').count() >= minimum {
        serde_json::from_str::<UniqueNames>(text)?;
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = read_value(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Returns the position of a JSON error. serde_json quotes the input in some messages, so only the
/// position is kept.
pub(crate) fn position(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("at line {line}, column {column} of its JSON")
}

/// Serialises a document that [`parse`] accepts.
pub(crate) fn write(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let text = serde_json::to_vec(value)?;
    if is_too_deep(&text) {
        return Err(ser::Error::custom("nested too deeply"));
    }
    Ok(text)
}

/// The opening brackets are counted first, which the compiler vectorises: most tokens have too few
/// of them to be nested too deeply.
fn is_too_deep(text: &[u8]) -> bool {
    let is_open = |byte: &u8| matches!(byte, b'{' | b'[');
    if text.iter().filter(|byte| is_open(byte)).count() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// The member names of one object: distinct, and at most [`MAX_NAMES`].
pub(crate) struct MemberNames<'de>(Vec<Cow<'de, str>>);

impl<'de> MemberNames<'de> {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(16))
    }

    pub(crate) fn add(&mut self, name: Cow<'de, str>) -> Result<(), &'static str> {
        if self.0.contains(&name) {
            return Err(DUPLICATE_NAME);
        }
        if self.0.len() == MAX_NAMES {
            return Err("more than 64 names");
        }
        self.0.push(name);
        Ok(())
    }
}

/// Any value without duplicate names in its objects.
struct UniqueNames;

impl<'de> Deserialize<'de> for UniqueNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueNamesVisitor)
    }
}

struct UniqueNamesVisitor;

impl<'de> Visitor<'de> for UniqueNamesVisitor {
    type Value = UniqueNames;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueNames, A::Error> {
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(CowStr(name)) = map.next_key()? {
            // An attacker may send many names, so a comparison of each pair would be too slow.
            match names.binary_search(&name) {
                Ok(_) => return Err(A::Error::custom(DUPLICATE_NAME)),
                Err(at) => names.insert(at, name),
            }
            check_nested(map.next_value()?)?;
        }
        Ok(UniqueNames)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UniqueNames, A::Error> {
        while let Some(item) = items.next_element()? {
            check_nested(item)?;
        }
        Ok(UniqueNames)
    }
}

/// Checks a value for duplicate names if it is an object or an array.
fn check_nested<E: de::Error>(value: &RawValue) -> Result<(), E> {
    if !value.get().starts_with(['{', '[']) {
        return Ok(());
    }
    // The position in this error is relative to the value, so it is dropped.
    let checked = serde_json::from_str::<UniqueNames>(value.get());
    checked.map(drop).map_err(|_| E::custom(DUPLICATE_NAME))
}

/// A string, borrowed unless it contains escapes.
pub(crate) struct CowStr<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for CowStr<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(CowStrVisitor)
    }
}

struct CowStrVisitor;

impl<'de> Visitor<'de> for CowStrVisitor {
    type Value = CowStr<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<CowStr<'de>, E> {
        Ok(CowStr(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<CowStr<'de>, E> {
        Ok(CowStr(Cow::Owned(text.to_owned())))
    }
}

/// Any value, checked to be valid JSON and discarded.
pub(crate) type Skipped = de::IgnoredAny;

/// The strings of a claim that is a string or an array of strings. Items of other types are
/// dropped.
#[derive(Default)]
pub(crate) struct StringList {
    pub(crate) list: Vec<String>,
    /// Whether the value was a string or an array of strings only.
    pub(crate) is_well_formed: bool,
}

impl<'de> Deserialize<'de> for StringList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringListVisitor)
    }
}

struct StringListVisitor;

impl<'de> Visitor<'de> for StringListVisitor {
    type Value = StringList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<StringList, E> {
        Ok(StringList {
            list: vec![text.to_owned()],
            is_well_formed: true,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<StringList, A::Error> {
        let mut strings = StringList {
            list: Vec::new(),
            is_well_formed: true,
        };
        while let Some(item) = items.next_element::<&'de RawValue>()? {
            match serde_json::from_str(item.get()) {
                Ok(text) => strings.list.push(text),
                Err(_) => strings.is_well_formed = false,
            }
        }
        Ok(strings)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StringList, A::Error> {
        while map.next_entry::<Skipped, Skipped>()?.is_some() {}
        Ok(StringList::default())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<StringList, E> {
        Ok(StringList::default())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<StringList, E> {
        Ok(StringList::default())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<StringList, E> {
        Ok(StringList::default())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<StringList, E> {
        Ok(StringList::default())
    }

    fn visit_unit<E: de::Error>(self) -> Result<StringList, E> {
        Ok(StringList::default())
    }
}

const DUPLICATE_NAME: &str = "duplicate name";

/// Deeper than any claim set in practice, and shallow enough for every stack.
const MAX_DEPTH: usize = 32;

/// More than any claim set has in practice.
pub(crate) const MAX_NAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn depth_is_bounded_and_brackets_in_strings_do_not_count() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse::<Value>(&nested(MAX_DEPTH)).is_ok());
        assert!(parse::<Value>(&nested(MAX_DEPTH + 1)).is_err());
        assert!(parse::<Value>(&nested(100_000)).is_err());
        let text = format!("[\"{}\\\"{}\"]", "[".repeat(50), "{".repeat(50));
        assert!(parse::<Value>(text.as_bytes()).is_ok());
        let wide = format!("[{}[]]", "[],".repeat(500));
        assert!(parse::<Value>(wide.as_bytes()).is_ok());
    }

    #[test]
    fn no_object_anywhere_has_a_name_twice() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":{"b":1,"c":2,"b":1}}"#,
            r#"{"a":[1,[{"b":1},{"b":1,"b":1}]]}"#,
            r#"[{"a":{}},{"":1,"":2}]"#,
        ] {
            assert!(parse::<Value>(text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            r#"{"a":{"a":{"a":[{"b":1},{"b":1}]}}}"#,
            r#"{"a":"{\"b\":1,\"b\":1}"}"#,
            r#"{"a":1e400,"b":1}"#,
        ] {
            assert!(parse::<Skipped>(text.as_bytes()).is_ok(), "{text}");
        }
        // The reader of a payload checks the outermost object; this pass checks the nested ones.
        let nested = br#"{"a":{"b":1,"b":1}}"#;
        let skip = |deserializer: &mut Json<'_>| Skipped::deserialize(deserializer).map(drop);
        assert!(parse_with(nested, skip).is_err());
    }

    #[test]
    fn one_document_in_utf_8_without_a_mark() {
        for text in [
            &b"{} {}"[..],
            b"{}x",
            b"\xef\xbb\xbf{}",
            b"\"\xff\"",
            b"{}\0",
            b"",
            b"\xff\xfe{\0}\0",
        ] {
            assert!(parse::<Value>(text).is_err(), "{text:?}");
        }
        assert!(parse::<Value>(b" {} \n").is_ok());
    }

    #[test]
    fn a_string_list_keeps_strings_and_reports_other_items() {
        let strings = |text: &str| {
            parse::<StringList>(text.as_bytes())
                .map(|strings| (strings.list, strings.is_well_formed))
                .unwrap()
        };
        assert_eq!(strings(r#""a b""#), (vec!["a b".to_owned()], true));
        assert_eq!(
            strings(r#"["a","b"]"#),
            (vec!["a".to_owned(), "b".to_owned()], true)
        );
        assert_eq!(
            strings(r#"["a",1,["b"],{"c":[]}]"#),
            (vec!["a".to_owned()], false)
        );
        for text in ["1", "-1", "1.5", "null", "true", r#"{"a":["b"]}"#] {
            assert_eq!(strings(text), (vec![], false), "{text}");
        }
    }
}
