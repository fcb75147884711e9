//! A payload as it is minted: the engine's claims first, then the members of the user.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
    ser::{self, Serialize, SerializeMap, Serializer},
};
use serde_json::{Value, value::RawValue};

use super::{
    date::{Date, DateFormat, numeric_date},
    withheld::Withheld,
};
use crate::{
    clock::Timestamp,
    identity::Factor,
    json::{CowStr, MAX_NAMES},
};

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
        let user = serde_json::to_vec(self.user).map_err(ser::Error::custom)?;
        let members = UserMembers::parse(&user).map_err(ser::Error::custom)?;
        let mut claims = ClaimWriter {
            map: serializer.serialize_map(None)?,
            names: Vec::with_capacity(16),
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
        // Members that every token has are left out, so that a type can have fields for reading
        // them. Any other claim that is stated twice is a mistake.
        for (name, value) in members.0 {
            if self.withheld.has(&name) {
                continue;
            }
            if !is_readable(&name, value) {
                return Err(ser::Error::custom(format_args!(
                    "claim `{name}` is of another type than verifiers take"
                )));
            }
            claims.add(name, value)?;
        }
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

/// Writes claims with distinct names, at most as many as verifiers accept.
struct ClaimWriter<'a, M> {
    map: M,
    names: Vec<Cow<'a, str>>,
}

impl<'a, M: SerializeMap> ClaimWriter<'a, M> {
    fn add<T: Serialize + ?Sized>(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        value: &T,
    ) -> Result<(), M::Error> {
        let name = name.into();
        if self.names.len() == MAX_NAMES {
            return Err(ser::Error::custom("more than 64 claims"));
        }
        if self.names.contains(&name) {
            return Err(ser::Error::custom(format_args!(
                "claim `{name}` is stated twice"
            )));
        }
        self.map.serialize_entry(&name, value)?;
        self.names.push(name);
        Ok(())
    }
}

/// Whether verifiers accept the value of a claim that they read and that the user may state.
fn is_readable(name: &str, value: &RawValue) -> bool {
    let value = || serde_json::from_str::<Value>(value.get()).unwrap_or_default();
    match name {
        "sid" => value().is_string(),
        "auth_time" => value().as_f64().and_then(numeric_date).is_some(),
        _ => true,
    }
}

/// The members of a user in its own order. The values stay as they were serialised, so that no
/// number loses digits.
struct UserMembers<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> UserMembers<'a> {
    /// Reads the JSON of a user: an object, or `null` for none.
    fn parse(user: &'a [u8]) -> Result<Self, &'static str> {
        match user {
            b"null" => Ok(Self(Vec::new())),
            [b'{', ..] => serde_json::from_slice(user).map_err(|_| "nested too deeply"),
            _ => Err("the user must serialise as a JSON object, or as nothing"),
        }
    }
}

impl<'de> Deserialize<'de> for UserMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UserMembersVisitor)
    }
}

struct UserMembersVisitor;

impl<'de> Visitor<'de> for UserMembersVisitor {
    type Value = UserMembers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UserMembers<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some((CowStr(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(UserMembers(members))
    }
}
