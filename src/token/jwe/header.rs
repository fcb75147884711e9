//! The header of an encrypted token (RFC 7516 section 4, RFC 7518 section 4.6.1).

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::agree::Point;
use crate::{
    json,
    json::{CowStr, MemberNames},
    key::{encoding, header},
    rejection::Rejection,
};

/// The members that are used.
pub(super) struct JweHeader<'a> {
    pub(super) alg: Cow<'a, str>,
    pub(super) enc: Cow<'a, str>,
    pub(super) kid: Option<Cow<'a, str>>,
    pub(super) epk: Option<EphemeralKey<'a>>,
    /// Whether `cty` declares the content to be a token.
    pub(super) is_nested: bool,
    /// The parties of the key agreement (`apu`, `apv`), which are inputs of the key derivation.
    pub(super) parties: [Vec<u8>; 2],
}

/// An ephemeral public key: an object with distinct members and no private ones. Unknown members
/// are skipped.
pub(super) struct EphemeralKey<'a> {
    kty: Cow<'a, str>,
    crv: Cow<'a, str>,
    x: Cow<'a, str>,
    y: Option<Cow<'a, str>>,
}

impl EphemeralKey<'_> {
    pub(super) fn point(&self) -> Option<Point> {
        match (&*self.kty, &*self.crv) {
            ("EC", "P-256") => Point::p256(&self.x, self.y.as_deref()?),
            ("OKP", "X25519") => Point::x25519(&self.x),
            _ => None,
        }
    }
}

impl<'a> JweHeader<'a> {
    pub(super) fn parse(decoded: &'a [u8]) -> Result<Self, Rejection> {
        let refuse = |error: serde_json::Error| {
            Rejection::invalid("the token's header is not an acceptable JSON object")
                .with_source(json::position(&error))
        };
        json::parse(decoded).map_err(refuse)
    }
}

impl<'de> Deserialize<'de> for JweHeader<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(JweHeaderVisitor)
    }
}

struct JweHeaderVisitor;

impl<'de> Visitor<'de> for JweHeaderVisitor {
    type Value = JweHeader<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JweHeader<'de>, A::Error> {
        let (mut alg, mut enc, mut kid, mut cty, mut epk) = (None, None, None, None, None);
        let mut parties = [Vec::new(), Vec::new()];
        let mut names = MemberNames::new();
        while let Some(CowStr(name)) = map.next_key()? {
            match &*name {
                "alg" => alg = Some(map.next_value::<CowStr<'de>>()?.0),
                "enc" => enc = Some(map.next_value::<CowStr<'de>>()?.0),
                "kid" => kid = Some(map.next_value::<CowStr<'de>>()?.0),
                "cty" => cty = Some(map.next_value::<CowStr<'de>>()?.0),
                "epk" => epk = Some(map.next_value()?),
                "apu" => parties[0] = party(&map.next_value::<CowStr<'de>>()?.0)?,
                "apv" => parties[1] = party(&map.next_value::<CowStr<'de>>()?.0)?,
                "crit" => return Err(A::Error::custom("`crit` is not supported")),
                "zip" => return Err(A::Error::custom("the payload is compressed")),
                _ => {
                    map.next_value::<json::Skipped>()?;
                }
            }
            names.add(name).map_err(A::Error::custom)?;
        }
        let is_token =
            |cty: Cow<'_, str>| header::strip_application(&cty).eq_ignore_ascii_case("JWT");
        Ok(JweHeader {
            alg: alg.ok_or_else(|| A::Error::missing_field("alg"))?,
            enc: enc.ok_or_else(|| A::Error::missing_field("enc"))?,
            kid,
            is_nested: cty.is_some_and(is_token),
            epk,
            parties,
        })
    }
}

impl<'de> Deserialize<'de> for EphemeralKey<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EphemeralVisitor)
    }
}

struct EphemeralVisitor;

impl<'de> Visitor<'de> for EphemeralVisitor {
    type Value = EphemeralKey<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a public key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EphemeralKey<'de>, A::Error> {
        let (mut kty, mut crv, mut x, mut y) = (None, None, None, None);
        let mut names = MemberNames::new();
        while let Some(CowStr(name)) = map.next_key()? {
            match &*name {
                "kty" => kty = Some(map.next_value::<CowStr<'de>>()?.0),
                "crv" => crv = Some(map.next_value::<CowStr<'de>>()?.0),
                "x" => x = Some(map.next_value::<CowStr<'de>>()?.0),
                "y" => y = Some(map.next_value::<CowStr<'de>>()?.0),
                "d" => return Err(A::Error::custom("the key is a private one")),
                _ => {
                    map.next_value::<json::Skipped>()?;
                }
            }
            names.add(name).map_err(A::Error::custom)?;
        }
        Ok(EphemeralKey {
            kty: kty.ok_or_else(|| A::Error::missing_field("kty"))?,
            crv: crv.ok_or_else(|| A::Error::missing_field("crv"))?,
            x: x.ok_or_else(|| A::Error::missing_field("x"))?,
            y,
        })
    }
}

fn party<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    let bytes = encoding::decode(text).filter(|bytes| bytes.len() <= LONGEST_PARTY);
    let bytes = bytes.ok_or_else(|| E::custom("a party name is not base64url, or is too long"))?;
    Ok(bytes.to_vec())
}

const LONGEST_PARTY: usize = 256;
