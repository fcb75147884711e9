//! A payload as it is minted: the engine's claims first, then the members of the user.

use std::{borrow::Cow, fmt::Display};

use serde::ser::{self, Serialize, SerializeMap, SerializeStruct, Serializer};
use serde_json::Value;

use super::{
    date::{Date, DateFormat, numeric_date},
    withheld::Withheld,
};
use crate::{clock::Timestamp, identity::Factor, json::MAX_NAMES};

/// Claims to mint, in seconds where they are times.
pub(super) struct Minted<'a, U> {
    pub(super) dates: DateFormat,
    pub(super) issuer: Option<&'a str>,
    pub(super) subject: &'a str,
    pub(super) audience: Option<&'a str>,
    pub(super) expires_at: u64,
    pub(super) not_before: Option<u64>,
    pub(super) issued_at: u64,
    pub(super) id: &'a str,
    pub(super) session_id: Option<&'a str>,
    /// The thumbprint of the key that it is bound to.
    pub(super) key: Option<&'a str>,
    pub(super) scopes: &'a [String],
    pub(super) roles: &'a [String],
    pub(super) proofs: &'a [(Factor, Timestamp)],
    pub(super) user: &'a U,
    /// Which members of the user are left out, since only the engine says what a user may do.
    pub(super) withheld: Withheld<'a>,
}

impl<U: Serialize> Serialize for Minted<'_, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut claims = Members {
            map: serializer.serialize_map(None)?,
            names: Vec::with_capacity(16),
            withheld: self.withheld,
            key: None,
        };
        if let Some(issuer) = self.issuer {
            claims.add("iss", issuer)?;
        }
        claims.add("sub", self.subject)?;
        if let Some(audience) = self.audience {
            claims.add("aud", audience)?;
        }
        claims.add("exp", &Date(self.dates, self.expires_at))?;
        if let Some(not_before) = self.not_before {
            claims.add("nbf", &Date(self.dates, not_before))?;
        }
        claims.add("iat", &Date(self.dates, self.issued_at))?;
        claims.add("jti", self.id)?;
        if let Some(session_id) = self.session_id {
            claims.add("sid", session_id)?;
        }
        if let Some(key) = self.key {
            claims.add("cnf", &serde_json::json!({ "jkt": key }))?;
        }
        if !self.scopes.is_empty() {
            claims.add("scope", &self.scopes.join(" "))?;
        }
        if !self.roles.is_empty() {
            claims.add("roles", self.roles)?;
        }
        if let Some(authenticated_at) = self.proofs.iter().map(|(_, at)| at.as_secs()).min() {
            let methods: Vec<_> = self
                .proofs
                .iter()
                .map(|(factor, _)| factor.as_amr())
                .collect();
            claims.add("auth_time", &authenticated_at)?;
            claims.add("amr", &methods)?;
            claims.add("acr", context(self.proofs))?;
            claims.add("proofs", &Proofs(self.proofs))?;
        }
        self.user.serialize(&mut claims)?;
        claims.map.end()
    }
}

/// The authentication context (RFC 9470 section 5): the name of the first factor that is more than
/// a password.
fn context(proofs: &[(Factor, Timestamp)]) -> &str {
    let mut factors = proofs.iter().map(|(factor, _)| factor);
    let more = factors.find(|factor| **factor != Factor::Password);
    more.unwrap_or(&Factor::Password).as_amr()
}

/// When each proof was given, by its `amr` name.
struct Proofs<'a>(&'a [(Factor, Timestamp)]);

impl Serialize for Proofs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|(factor, at)| (factor.as_amr(), at.as_secs())),
        )
    }
}

/// Writes the members of a user into the object of claims.
struct Members<'a, M> {
    map: M,
    names: Vec<Cow<'static, str>>,
    withheld: Withheld<'a>,
    key: Option<String>,
}

impl<M: SerializeMap> Members<'_, M> {
    fn add<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.names.len() == MAX_NAMES {
            return Err(ser::Error::custom("more than 64 claims"));
        }
        let name = name.into();
        self.map.serialize_entry(&name, value)?;
        self.names.push(name);
        Ok(())
    }

    /// A member of the user. What the engine states, the user does not state again: those that
    /// every token has are left out, so that a type can have fields for reading them; for the
    /// others two statements are a mistake.
    fn add_member<T: Serialize + ?Sized>(
        &mut self,
        name: Cow<'static, str>,
        value: &T,
    ) -> Result<(), M::Error> {
        if self.withheld.has(&name) {
            return Ok(());
        }
        if self.names.contains(&name) {
            return Err(ser::Error::custom(format_args!(
                "claim `{name}` is stated twice"
            )));
        }
        if !is_readable(&name, value) {
            return Err(ser::Error::custom(format_args!(
                "claim `{name}` is of another type than verifiers take"
            )));
        }
        self.add(name, value)
    }
}

/// Whether verifiers will take the value of a claim that they read and that the user may state.
fn is_readable<T: Serialize + ?Sized>(name: &str, value: &T) -> bool {
    let value = || serde_json::to_value(value).unwrap_or_default();
    match name {
        "sid" => value().is_string(),
        "auth_time" => value().as_f64().and_then(numeric_date).is_some(),
        _ => true,
    }
}

impl<M: SerializeMap> SerializeStruct for &mut Members<'_, M> {
    type Ok = ();
    type Error = M::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        self.add_member(name.into(), value)
    }

    fn end(self) -> Result<(), M::Error> {
        Ok(())
    }
}

impl<M: SerializeMap> SerializeMap for &mut Members<'_, M> {
    type Ok = ();
    type Error = M::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), M::Error> {
        let key = serde_json::to_value(key).map_err(ser::Error::custom)?;
        let Value::String(key) = key else {
            return Err(ser::Error::custom("a claim's name must be a string"));
        };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), M::Error> {
        let key = self
            .key
            .take()
            .ok_or_else(|| ser::Error::custom("a value without a key"))?;
        self.add_member(key.into(), value)
    }

    fn end(self) -> Result<(), M::Error> {
        Ok(())
    }
}

/// Declares the methods of a serializer for values that are not objects, and so not claims.
macro_rules! refuse {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<(), M::Error> {
            Err(not_an_object())
        })*
    };
}

impl<'a, 'w, M: SerializeMap> Serializer for &'a mut Members<'w, M> {
    type Ok = ();
    type Error = M::Error;
    type SerializeSeq = ser::Impossible<(), M::Error>;
    type SerializeTuple = ser::Impossible<(), M::Error>;
    type SerializeTupleStruct = ser::Impossible<(), M::Error>;
    type SerializeTupleVariant = ser::Impossible<(), M::Error>;
    type SerializeMap = &'a mut Members<'w, M>;
    type SerializeStruct = &'a mut Members<'w, M>;
    type SerializeStructVariant = ser::Impossible<(), M::Error>;

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, M::Error> {
        Ok(self)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, M::Error> {
        Ok(self)
    }

    fn serialize_none(self) -> Result<(), M::Error> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), M::Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), M::Error> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), M::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), M::Error> {
        self.add_member(variant.into(), value)
    }

    refuse! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), M::Error> {
        Err(not_an_object())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, M::Error> {
        Err(not_an_object())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, M::Error> {
        Err(not_an_object())
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, M::Error> {
        Err(not_an_object())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, M::Error> {
        Err(not_an_object())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, M::Error> {
        Err(not_an_object())
    }
}

fn not_an_object<E: ser::Error>() -> E {
    E::custom("the user must serialise as a JSON object, or as nothing")
}
