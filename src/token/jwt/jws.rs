//! The strict compact serialization of RFC 7515: three parts, one header, one signature.
//!
//! Everything that two readers could interpret differently is rejected: padding, white space and
//! nonzero trailing bits in base64url, duplicate member names, any `crit` (RFC 7515 section 4.1.11:
//! no extension is understood here), and the members that change the meaning of the payload:
//! `b64: false` (RFC 7797), `zip`, `enc`, and `cty: JWT`. Members that name a key (`jwk`, `jku`,
//! `x5u`, `x5c`) are ignored: the key comes from the ring by exact `kid`, and the algorithm from
//! the key.

use std::{borrow::Cow, fmt};

use base64_simd::{Out, URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    error::IssueError,
    json,
    json::MemberNames,
    key::{
        algorithm::{Algorithm, RSA_SIGNATURE_BYTES},
        header::{DEFAULT_TYPE, encoded_header, strip_application},
        ring::Ring,
        signing::Key,
    },
    rejection::Rejection,
    token::{MAX_BYTES, envelope::UnknownKey},
};

/// The values of `typ` that a verifier accepts (RFC 8725 section 3.11).
#[derive(Clone, Debug)]
pub(crate) struct Types {
    /// Without `application/`; the first one is written into issued tokens.
    pub(crate) accepted: Vec<String>,
    pub(crate) untyped: bool,
}

impl Types {
    fn accept(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else {
            return self.untyped;
        };
        let short = strip_application(typ);
        self.accepted
            .iter()
            .any(|known| known.eq_ignore_ascii_case(short))
    }
}

/// Verifies the signature of `token`, and returns its payload.
pub(crate) fn verify(token: &str, keys: &Ring<Key>, types: &Types) -> Result<Vec<u8>, Rejection> {
    if token.len() > MAX_BYTES {
        return Err(Rejection::invalid("the token is longer than 8 KiB"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Rejection::invalid("the token has not three parts"));
    };
    let cached = keys.iter().find(|key| key.header() == header);
    let key = match cached {
        Some(key) if types.accept(Some(DEFAULT_TYPE)) => key,
        _ => {
            let decoded = decode(header, "the token's header is not base64url")?;
            let header = JwsHeader::parse(&decoded)?;
            if !types.accept(header.typ.as_deref()) {
                return Err(Rejection::invalid("the token is of another type"));
            }
            let key = keys.find(header.kid.as_deref());
            let key = key.ok_or_else(|| header.unknown_key())?;
            // The key determines the algorithm; the header must agree (RFC 8725 section 3.1).
            if Algorithm::from_name(&header.alg) != Some(key.algorithm()) {
                return Err(Rejection::invalid(
                    "the token names another algorithm than its key",
                ));
            }
            key
        }
    };
    let mut buffer = [0; RSA_SIGNATURE_BYTES];
    let longest = key.algorithm().longest_signature();
    let signature = decode_signature(signature, longest, &mut buffer)?;
    let signed = &token.as_bytes()[..header.len() + 1 + payload.len()];
    if !key.verify(signed, &signature) {
        return Err(Rejection::invalid("the signature is wrong"));
    }
    decode(payload, "the token's payload is not base64url")
}

/// Returns the `iss` of a token of which nothing is verified. It may select the engine that
/// verifies the token, and nothing else.
pub(crate) fn unverified_issuer(token: &str) -> Result<String, Rejection> {
    let reject = || Rejection::invalid("the token states no issuer");
    if token.len() > MAX_BYTES {
        return Err(Rejection::invalid("the token is longer than 8 KiB"));
    }
    let payload = token.split('.').nth(1).ok_or_else(reject)?;
    let payload = decode(payload, "the token's payload is not base64url")?;
    let claims: IssuerClaim = json::parse(&payload).map_err(|_| reject())?;
    Ok(claims.iss)
}

#[derive(Deserialize)]
struct IssuerClaim {
    iss: String,
}

/// Signs `payload` with `key`.
pub(crate) fn sign(payload: &[u8], key: &Key, typ: &str) -> Result<String, IssueError> {
    let header = match typ {
        DEFAULT_TYPE => Cow::Borrowed(key.header()),
        typ => Cow::Owned(encoded_header(key.algorithm().name(), key.kid(), typ)),
    };
    let mut token = Vec::with_capacity(header.len() + payload.len() * 4 / 3 + 96);
    token.extend_from_slice(header.as_bytes());
    token.push(b'.');
    URL_SAFE_NO_PAD.encode_append(payload, &mut token);
    let mut signature = Vec::with_capacity(64);
    key.sign(&token, &mut signature)?;
    token.push(b'.');
    URL_SAFE_NO_PAD.encode_append(&signature, &mut token);
    if token.len() > MAX_BYTES {
        return Err(IssueError::TooLarge {
            bytes: token.len(),
            limit: MAX_BYTES,
        });
    }
    Ok(String::from_utf8(token).expect("base64url and dots are ASCII"))
}

fn decode(part: &str, reason: &'static str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode_to_vec(part)
        .map_err(|_| Rejection::invalid(reason))
}

fn decode_signature<'a>(
    part: &str,
    longest: usize,
    buffer: &'a mut [u8; RSA_SIGNATURE_BYTES],
) -> Result<Cow<'a, [u8]>, Rejection> {
    let wrong = |reason| move |_| Rejection::invalid(reason);
    let length = URL_SAFE_NO_PAD
        .decoded_length(part.as_bytes())
        .map_err(wrong("the signature is not base64url"))?;
    if length == 0 || length > longest {
        return Err(Rejection::invalid("the signature has no possible length"));
    }
    if length > buffer.len() {
        return decode(part, "the signature is not base64url").map(Cow::Owned);
    }
    let decoded = URL_SAFE_NO_PAD
        .decode(part.as_bytes(), Out::from_slice(buffer))
        .map_err(wrong("the signature is not base64url"))?;
    Ok(Cow::Borrowed(decoded))
}

/// The members of a JOSE header that are used.
struct JwsHeader<'a> {
    alg: Cow<'a, str>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
}

impl<'a> JwsHeader<'a> {
    fn parse(decoded: &'a [u8]) -> Result<Self, Rejection> {
        let reject = |error: serde_json::Error| {
            Rejection::invalid("the token's header is not an acceptable JSON object")
                .with_source(json::position(&error))
        };
        json::parse(decoded).map_err(reject)
    }

    /// Rejects a token with an unknown key. New keys are fetched only if the token could be signed
    /// by one.
    fn unknown_key(&self) -> Rejection {
        let rejection = Rejection::invalid("no key of the ring has this kid");
        let algorithm = Algorithm::from_name(&self.alg);
        match algorithm {
            Some(algorithm) if self.kid.is_some() && !algorithm.is_symmetric() => {
                rejection.with_source(UnknownKey)
            }
            _ => rejection,
        }
    }
}

impl<'de> Deserialize<'de> for JwsHeader<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(JwsHeaderVisitor)
    }
}

struct JwsHeaderVisitor;

impl<'de> Visitor<'de> for JwsHeaderVisitor {
    type Value = JwsHeader<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JwsHeader<'de>, A::Error> {
        let (mut alg, mut kid, mut typ) = (None, None, None);
        let mut names = MemberNames::new();
        while let Some(json::CowStr(name)) = map.next_key()? {
            match &*name {
                "alg" => alg = Some(map.next_value::<json::CowStr<'de>>()?.0),
                "kid" => kid = Some(map.next_value::<json::CowStr<'de>>()?.0),
                "typ" => typ = Some(map.next_value::<json::CowStr<'de>>()?.0),
                "crit" => {
                    return Err(A::Error::custom(
                        "`crit` names an extension that is not supported",
                    ));
                }
                "zip" | "enc" => {
                    return Err(A::Error::custom("the payload is encrypted or compressed"));
                }
                "b64" if map.next_value::<bool>()? => {}
                "b64" => return Err(A::Error::custom("the payload is not base64url")),
                "cty" => {
                    let json::CowStr(cty) = map.next_value()?;
                    if strip_application(&cty).eq_ignore_ascii_case("JWT") {
                        return Err(A::Error::custom("a token within a token"));
                    }
                }
                _ => {
                    map.next_value::<json::Skipped>()?;
                }
            }
            names.add(name).map_err(A::Error::custom)?;
        }
        let alg = alg.ok_or_else(|| A::Error::missing_field("alg"))?;
        Ok(JwsHeader { alg, kid, typ })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, KeyRing};

    /// RFC 9864 replaces `EdDSA` with `Ed25519`.
    #[test]
    fn ed25519_in_the_header_is_accepted_for_an_ed25519_key_only() {
        let types = Types {
            accepted: vec![DEFAULT_TYPE.to_owned()],
            untyped: false,
        };
        for (algorithm, alg, is_good) in [
            (Algorithm::EdDsa, "EdDSA", true),
            (Algorithm::EdDsa, "Ed25519", true),
            (Algorithm::EdDsa, "Ed448", false),
            (Algorithm::EdDsa, "ed25519", false),
            (Algorithm::EdDsa, "ES256", false),
            (Algorithm::EdDsa, "none", false),
            (Algorithm::Es256, "Ed25519", false),
        ] {
            let key = Key::generate(algorithm).unwrap();
            let mut token = encoded_header(alg, key.kid(), DEFAULT_TYPE) + ".e30";
            let mut signature = Vec::new();
            key.sign(token.as_bytes(), &mut signature).unwrap();
            token = format!("{token}.{}", URL_SAFE_NO_PAD.encode_to_string(&signature));
            let verified = verify(&token, &KeyRing::new(key).load(), &types);
            assert_eq!(verified.is_ok(), is_good, "{algorithm} {alg}");
        }
    }
}
