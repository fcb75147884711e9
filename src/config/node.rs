//! Deserializes settings from a parsed document, with the path of a setting that does not fit.
//!
//! Other deserializers quote the value in their errors; this one never does. Numbers and booleans
//! may be written as strings, since variables are strings.

use std::fmt;

use serde::{
    Deserializer, de,
    de::{DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, map};

use super::nearest::nearest;

/// One value of the document.
pub(crate) struct Node<'a>(pub(crate) &'a Value);

/// The reason why a value does not fit, and its path, outermost key first.
#[derive(Debug)]
pub(crate) struct NodeError {
    pub(super) path: Vec<String>,
    pub(super) reason: String,
}

impl NodeError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            reason: reason.into(),
        }
    }

    /// Prepends a key to the path.
    pub(super) fn below(mut self, key: impl Into<String>) -> Self {
        self.path.insert(0, key.into());
        self
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NodeError {}

impl de::Error for NodeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }

    fn invalid_type(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            de::Unexpected::Map => "a table",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Str(_) => "a string",
            de::Unexpected::Bool(_) => "a boolean",
            _ => "a number",
        };
        Self::new(format!("expected {}, found {found}", plain(expected)))
    }

    fn invalid_value(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self::new("is out of range")
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let reason = match nearest(field, expected) {
            Some(near) => format!("unknown setting; did you mean `{near}`?"),
            None => "unknown setting".to_owned(),
        };
        Self::new(reason).below(field)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new("is not set").below(field)
    }
}

/// Words an expectation as the reference page does.
fn plain(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    match &*text {
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if text.starts_with("struct ") => "a table".to_owned(),
        _ => text,
    }
}

impl<'a> Node<'a> {
    fn mismatch(&self, expected: &str) -> NodeError {
        let found = match self.0 {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "a table",
        };
        NodeError::new(format!("expected {expected}, found {found}"))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        let number = match self.0 {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.mismatch("a whole number"))?;
        visitor.visit_u64(number)
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
            self.number(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = NodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(_) => self.number(visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(ListAccess(items.iter().enumerate())),
            Value::Object(table) => visitor.visit_map(TableAccess::new(table)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::String(text) if text == "true" => visitor.visit_bool(true),
            Value::String(text) if text == "false" => visitor.visit_bool(false),
            _ => Err(self.mismatch("a boolean")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            _ => Err(self.mismatch("a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(ListAccess(items.iter().enumerate())),
            _ => Err(self.mismatch("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::Object(table) => visitor.visit_map(TableAccess::new(table)),
            // An empty YAML document, or a key without a value.
            Value::Null => visitor.visit_map(TableAccess::new(&Map::new())),
            _ => Err(self.mismatch("a table")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NodeError> {
        match self.0 {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(self.mismatch("a string")),
        }
    }

    numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple tuple_struct
        identifier ignored_any
    }
}

struct ListAccess<'a>(std::iter::Enumerate<std::slice::Iter<'a, Value>>);

impl<'de> SeqAccess<'de> for ListAccess<'_> {
    type Error = NodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NodeError> {
        let Some((at, item)) = self.0.next() else {
            return Ok(None);
        };
        let read = seed.deserialize(Node(item));
        read.map(Some)
            .map_err(|error| error.below(format!("[{at}]")))
    }
}

struct TableAccess<'a> {
    entries: map::Iter<'a>,
    current: Option<(&'a String, &'a Value)>,
}

impl<'a> TableAccess<'a> {
    fn new(table: &'a Map<String, Value>) -> Self {
        Self {
            entries: table.iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for TableAccess<'_> {
    type Error = NodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NodeError> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NodeError> {
        let (key, value) = self.current.expect("serde requests a value after its key");
        seed.deserialize(Node(value))
            .map_err(|error| error.below(key))
    }
}
