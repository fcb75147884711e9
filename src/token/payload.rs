//! Reads the payload of a token in one pass: registered claims for the engine, the rest for the
//! user type.
//!
//! `#[serde(flatten)]` would do the same, but buffers every claim. Here the user type is
//! deserialized straight from the JSON through an adapter. The adapter removes the registered
//! claims, passes on those that the type lists as its own fields, and rejects duplicate names.

use std::{borrow::Cow, marker::PhantomData};

use serde::{
    de::{
        self, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value, value::RawValue};

use super::{
    claims::{Binding, Registered},
    date,
    date::{DateFormat, numeric_date},
};
use crate::{
    clock::Timestamp,
    identity::Factor,
    json,
    json::{CowStr, MemberNames, Skipped},
};

/// Reads a payload, with dates of this form, as registered claims and a `U`.
pub(super) fn read<'de, U: de::Deserialize<'de>>(
    payload: &'de [u8],
    dates: DateFormat,
) -> serde_json::Result<(Registered<'de>, U)> {
    json::parse_with(payload, |deserializer| {
        deserializer.deserialize_map(PayloadVisitor(dates, PhantomData))
    })
}

struct PayloadVisitor<U>(DateFormat, PhantomData<U>);

impl<'de, U: de::Deserialize<'de>> Visitor<'de> for PayloadVisitor<U> {
    type Value = (Registered<'de>, U);

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut registered = Registered::default();
        let claims = ClaimsDeserializer(ClaimsAccess {
            map,
            registered: &mut registered,
            dates: self.0,
            listed: Listed::All,
            names: MemberNames::new(),
            value: None,
        });
        let user = U::deserialize(claims)?;
        Ok((registered, user))
    }
}

/// Which registered claims the user type receives as well.
enum Listed {
    All,
    Fields(&'static [&'static str]),
}

impl Listed {
    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Fields(fields) => fields.contains(&name),
        }
    }
}

struct ClaimsAccess<'a, 'de, A> {
    map: A,
    registered: &'a mut Registered<'de>,
    dates: DateFormat,
    listed: Listed,
    names: MemberNames<'de>,
    /// The value of a claim that was read for the engine and is passed to the user type too.
    value: Option<&'de RawValue>,
}

impl<'de, A: MapAccess<'de>> ClaimsAccess<'_, 'de, A> {
    /// Returns the name of the next claim that the user type receives.
    fn next_name(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        while let Some(CowStr(name)) = self.map.next_key()? {
            self.names.add(name.clone()).map_err(A::Error::custom)?;
            let Some(field) = Field::named(&name) else {
                return Ok(Some(name));
            };
            let seed = ClaimSeed {
                registered: &mut *self.registered,
                dates: self.dates,
                field,
            };
            if !self.listed.has(&name) {
                self.map.next_value_seed(seed)?;
                continue;
            }
            let raw: &'de RawValue = self.map.next_value()?;
            seed.deserialize(raw).map_err(claim_error)?;
            self.value = Some(raw);
            return Ok(Some(name));
        }
        Ok(None)
    }

    /// Reads the remaining claims, which may include claims of the engine.
    fn drain(&mut self) -> Result<(), A::Error> {
        while self.next_name()?.is_some() {
            if self.value.take().is_none() {
                self.map.next_value::<Skipped>()?;
            }
        }
        Ok(())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for ClaimsAccess<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.next_name()? {
            None => Ok(None),
            Some(Cow::Borrowed(name)) => seed
                .deserialize(BorrowedStrDeserializer::new(name))
                .map(Some),
            Some(Cow::Owned(name)) => {
                let name: StringDeserializer<A::Error> = name.into_deserializer();
                seed.deserialize(name).map(Some)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(raw) => seed.deserialize(raw).map_err(claim_error),
            None => self.map.next_value_seed(seed),
        }
    }
}

/// Replaces an error within a claim, whose position counts from the start of the claim. The new
/// error gets the position of the claim in the payload.
fn claim_error<E: de::Error>(_: serde_json::Error) -> E {
    E::custom("a claim has the wrong type")
}

struct ClaimsDeserializer<'a, 'de, A>(ClaimsAccess<'a, 'de, A>);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for ClaimsDeserializer<'_, 'de, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.listed = Listed::Fields(fields);
        visitor.visit_map(self.0)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.listed = Listed::Fields(variants);
        visitor.visit_enum(MapAccessDeserializer::new(self.0))
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, A::Error> {
        self.0.listed = Listed::Fields(&[]);
        self.0.drain()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        seq tuple tuple_struct map identifier
    }
}

/// A claim that the engine reads.
#[derive(Clone, Copy)]
enum Field {
    Issuer,
    Subject,
    Audience,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    Id,
    SessionId,
    Scope,
    Roles,
    Methods,
    Context,
    AuthenticatedAt,
    Proofs,
    Confirmation,
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "iss" => Self::Issuer,
            "sub" => Self::Subject,
            "aud" => Self::Audience,
            "exp" => Self::ExpiresAt,
            "nbf" => Self::NotBefore,
            "iat" => Self::IssuedAt,
            "jti" => Self::Id,
            "sid" => Self::SessionId,
            "scope" => Self::Scope,
            "roles" => Self::Roles,
            "amr" => Self::Methods,
            "acr" => Self::Context,
            "auth_time" => Self::AuthenticatedAt,
            "proofs" => Self::Proofs,
            "cnf" => Self::Confirmation,
            _ => return None,
        })
    }
}

/// Deserializes one claim into its field.
struct ClaimSeed<'a, 'de> {
    registered: &'a mut Registered<'de>,
    dates: DateFormat,
    field: Field,
}

impl<'de> DeserializeSeed<'de> for ClaimSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        use de::Deserialize as _;
        let (claims, dates) = (self.registered, self.dates);
        match self.field {
            Field::Issuer => claims.issuer = Some(CowStr::deserialize(deserializer)?.0),
            Field::Subject => claims.subject = Some(CowStr::deserialize(deserializer)?.0),
            Field::Id => claims.id = Some(CowStr::deserialize(deserializer)?.0),
            Field::SessionId => claims.session_id = Some(CowStr::deserialize(deserializer)?.0),
            Field::Audience => claims.audience = Some(json::StringList::deserialize(deserializer)?),
            Field::ExpiresAt => claims.validity.expires_at = Some(date(dates, deserializer)?),
            Field::NotBefore => claims.validity.not_before = Some(date(dates, deserializer)?),
            Field::IssuedAt => claims.validity.issued_at = Some(date(dates, deserializer)?),
            Field::AuthenticatedAt => {
                claims.authenticated_at = Some(date(DateFormat::Numeric, deserializer)?);
            }
            // Issuers use these five in many forms. A value of another form grants nothing and is
            // no error.
            Field::Scope => claims.scope = json::StringList::deserialize(deserializer)?,
            Field::Roles => claims.roles = json::StringList::deserialize(deserializer)?,
            Field::Methods => claims.methods = json::StringList::deserialize(deserializer)?,
            Field::Context => {
                let context = json::StringList::deserialize(deserializer)?;
                claims.context = context.list.into_iter().next().map(Cow::Owned);
            }
            Field::Proofs => claims.proofs = proofs(&Value::deserialize(deserializer)?),
            Field::Confirmation => {
                claims.binding = Some(binding(&Value::deserialize(deserializer)?));
            }
        }
        Ok(())
    }
}

/// Reads a date in the one form that this kind of token has. A string that contains a number is not
/// a date.
fn date<'de, D: Deserializer<'de>>(
    dates: DateFormat,
    deserializer: D,
) -> Result<Timestamp, D::Error> {
    match dates {
        DateFormat::Numeric => numeric_date(<f64 as de::Deserialize>::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("the date is out of range")),
        DateFormat::Text => {
            date::parse_rfc3339(&<CowStr<'_> as de::Deserialize>::deserialize(deserializer)?.0)
                .ok_or_else(|| D::Error::custom("not a date and time of RFC 3339"))
        }
    }
}

/// Reads `cnf`. A member beside `jkt` requires another proof as well.
fn binding(confirmation: &Value) -> Binding {
    let members = confirmation
        .as_object()
        .filter(|members| members.len() == 1);
    let key = members.and_then(|members| members.get("jkt")?.as_str());
    key.map_or(Binding::Other, |key| Binding::Key(key.to_owned()))
}

fn proofs(value: &Value) -> Vec<(Factor, Timestamp)> {
    let members = value.as_object().into_iter().flat_map(Map::iter);
    members
        .filter_map(|(name, at)| Some((Factor::from_amr(name), numeric_date(at.as_f64()?)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::Claims;

    /// The position counts from the start of the payload, also for an error within a claim.
    #[test]
    fn an_error_says_where_it_is_in_the_payload() {
        #[derive(Debug, serde::Deserialize)]
        struct User {
            #[serde(rename = "exp")]
            _exp: u64,
            #[serde(rename = "name")]
            _name: String,
        }
        fn place<U: de::DeserializeOwned>(payload: &str) -> (usize, usize) {
            let read = read::<U>(payload.as_bytes(), DateFormat::Numeric);
            let error = read.map(drop).unwrap_err();
            (error.line(), error.column())
        }
        let claim = r#"{"iss":"https://auth.acme.dev","exp":"soon""#;
        let payload = format!("{claim},\"aud\":\"api\"}}");
        assert_eq!(place::<Claims>(&payload), (1, claim.len()));
        assert_eq!(place::<User>(&payload), (1, claim.len()));
        let user = r#"{"iss":"https://auth.acme.dev","name":5"#;
        assert_eq!(
            place::<User>(&format!("{user},\"exp\":1}}")),
            (1, user.len())
        );
        let user = "{\"iss\":\"a\",\n\"exp\":1.5";
        assert_eq!(place::<User>(&format!("{user},\"name\":\"a\"}}")), (2, 9));
        let nested = r#"{"iss":"https://auth.acme.dev","x":{"a":1,"a":2}"#;
        let payload = format!("{nested},\"exp\":1}}");
        assert_eq!(place::<Claims>(&payload), (1, nested.len()));
    }
}
