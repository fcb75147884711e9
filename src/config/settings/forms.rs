//! The types of single settings: a duration, a redacted string, one value or several.

use std::{borrow::Cow, fmt, marker::PhantomData, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer},
};

use crate::{key::Algorithm, secret::Secret};

/// A duration: `500ms`, `30s`, `15m`, `12h`, `7d`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let milliseconds = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let all = number.checked_mul(milliseconds)?;
        Some(Self(Duration::from_millis(all)))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Hidden::deserialize(deserializer)?;
        let reason = "is not a duration such as `30s`, `15m`, `12h` or `7d`";
        Self::parse(text.expose()).ok_or_else(|| D::Error::custom(reason))
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "title": "duration", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

/// A string that `Debug` redacts and that is wiped from memory when dropped.
#[derive(Clone)]
pub(crate) struct Hidden(Secret<String>);

impl Hidden {
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl JsonSchema for Hidden {
    fn schema_name() -> Cow<'static, str> {
        "text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// An algorithm, by its name in RFC 7518.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alg(pub(crate) Algorithm);

impl<'de> Deserialize<'de> for Alg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Hidden::deserialize(deserializer)?;
        let names = || {
            let names = Algorithm::ALL.iter().map(|algorithm| algorithm.name());
            format!("must be one of {}", names.collect::<Vec<_>>().join(", "))
        };
        Algorithm::from_name(name.expose())
            .map(Self)
            .ok_or_else(|| D::Error::custom(names()))
    }
}

impl JsonSchema for Alg {
    fn schema_name() -> Cow<'static, str> {
        "algorithm".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = Algorithm::ALL.iter().map(|alg| alg.name()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

/// One value, or a list of values.
#[derive(Clone, Debug)]
pub(crate) struct Many<T>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de> + From<String>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

struct ManyVisitor<T>(PhantomData<fn() -> T>);

impl<'de, T: Deserialize<'de> + From<String>> Visitor<'de> for ManyVisitor<T> {
    type Value = Many<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Many<T>, E> {
        Ok(Many(vec![T::from(text.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Many<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Many)
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl<T: JsonSchema> JsonSchema for Many<T> {
    fn schema_name() -> Cow<'static, str> {
        "texts".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = T::json_schema(generator);
        let is_secret = item.get("writeOnly").is_some();
        json_schema!({ "type": ["string", "array"], "items": item, "writeOnly": is_secret })
    }
}
