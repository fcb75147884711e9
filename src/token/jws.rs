//! The strict compact form of RFC 7515: three parts, one header, one signature.
//!
//! Everything is refused that two readers could read in two ways: padding, white space and unused bits
//! in base64url, a second member of one name, a `crit` of any content (RFC 7515 section 4.1.11: nothing
//! critical is understood here), and the members that change what the payload means: `b64: false`
//! (RFC 7797), `zip`, `enc`, and `cty: JWT`. Members that name a key (`jwk`, `jku`, `x5u`, `x5c`) are not
//! looked at: the key comes from the ring, by exact `kid`, and the algorithm from the key.

use std::{borrow::Cow, fmt};

use base64_simd::{Out, URL_SAFE_NO_PAD};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{
    MAX_BYTES,
    algorithm::{Algorithm, RSA_SIGNATURE_BYTES},
    engine::UnknownKey,
    json::{self, MemberNames},
    key::Key,
    ring::Ring,
};
use crate::{error::IssueError, rejection::Rejection};

/// The types that a verifier accepts in `typ` (RFC 8725 section 3.11).
#[derive(Clone, Debug)]
pub(super) struct Types {
    /// Without `application/`; the first is the one that is minted.
    pub(super) accepted: Vec<String>,
    pub(super) untyped: bool,
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

/// The payload of `token`, once its signature is found to be good.
pub(super) fn verify(token: &str, keys: &Ring<Key>, types: &Types) -> Result<Vec<u8>, Rejection> {
    if token.len() > MAX_BYTES {
        return Err(Rejection::invalid("the token is longer than 8 KiB"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Rejection::invalid("the token has not three parts"));
    };
    let known = keys.iter().find(|key| key.header() == header);
    let key = match known {
        Some(key) if types.accept(Some(DEFAULT_TYPE)) => key,
        _ => {
            let decoded = decode(header, "the token's header is not base64url")?;
            let header = Header::parse(&decoded)?;
            if !types.accept(header.typ.as_deref()) {
                return Err(Rejection::invalid("the token is of another type"));
            }
            let key = keys.find(header.kid.as_deref());
            let key = key.ok_or_else(|| header.without_key())?;
            // The algorithm is the key's; the header must agree (RFC 8725 section 3.1).
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

/// The `iss` of a token, of which nothing is verified. It may choose who judges the token, and nothing else.
pub(super) fn unverified_issuer(token: &str) -> Result<String, Rejection> {
    let refuse = || Rejection::invalid("the token states no issuer");
    if token.len() > MAX_BYTES {
        return Err(Rejection::invalid("the token is longer than 8 KiB"));
    }
    let payload = token.split('.').nth(1).ok_or_else(refuse)?;
    let payload = decode(payload, "the token's payload is not base64url")?;
    let stated: Stated = json::parse(&payload).map_err(|_| refuse())?;
    Ok(stated.iss)
}

#[derive(Deserialize)]
struct Stated {
    iss: String,
}

/// Signs `payload` with `key`.
pub(super) fn sign(payload: &[u8], key: &Key, typ: &str) -> Result<String, IssueError> {
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

/// The header of tokens signed by a key, as it stands in them.
pub(super) fn encoded_header(alg: &str, kid: &str, typ: &str) -> String {
    let header = serde_json::json!({ "alg": alg, "kid": kid, "typ": typ });
    URL_SAFE_NO_PAD.encode_to_string(header.to_string())
}

/// `typ` without the prefix that RFC 7515 section 4.1.9 lets issuers leave out.
pub(super) fn strip_application(typ: &str) -> &str {
    match typ.get(..APPLICATION.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(APPLICATION) => &typ[APPLICATION.len()..],
        _ => typ,
    }
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

/// The members of a JOSE header that matter.
struct Header<'a> {
    alg: Cow<'a, str>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    fn parse(decoded: &'a [u8]) -> Result<Self, Rejection> {
        let refuse = |error: serde_json::Error| {
            Rejection::invalid("the token's header is not an acceptable JSON object")
                .because(json::position(&error))
        };
        json::parse(decoded).map_err(refuse)
    }

    /// Only for a token that a new key could have made is a new key worth asking for.
    fn without_key(&self) -> Rejection {
        let rejection = Rejection::invalid("no key of the ring has this kid");
        let algorithm = Algorithm::from_name(&self.alg);
        match algorithm {
            Some(algorithm) if self.kid.is_some() && !algorithm.is_symmetric() => {
                rejection.because(UnknownKey)
            }
            _ => rejection,
        }
    }
}

impl<'de> Deserialize<'de> for Header<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
        let (mut alg, mut kid, mut typ) = (None, None, None);
        let mut names = MemberNames::new();
        while let Some(json::CowStr(name)) = map.next_key()? {
            match &*name {
                "alg" => alg = Some(map.next_value::<json::CowStr<'de>>()?.0),
                "kid" => kid = Some(map.next_value::<json::CowStr<'de>>()?.0),
                "typ" => typ = Some(map.next_value::<json::CowStr<'de>>()?.0),
                "crit" => return Err(A::Error::custom("`crit` names what is not understood")),
                "zip" | "enc" => return Err(A::Error::custom("the payload is not plain")),
                "b64" if map.next_value::<bool>()? => {}
                "b64" => return Err(A::Error::custom("the payload is not encoded")),
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
        Ok(Header { alg, kid, typ })
    }
}

/// The type of access tokens (RFC 9068 section 2.1), minted unless told otherwise.
pub(super) const DEFAULT_TYPE: &str = "at+jwt";

const APPLICATION: &str = "application/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Algorithm, KeyRing};

    /// RFC 9864 has put it in the place of `EdDSA`.
    #[test]
    fn the_header_may_name_ed25519_for_a_key_of_it_and_of_no_other() {
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
