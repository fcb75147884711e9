//! Parses one proof and verifies its signature (RFC 9449 sections 4.2 and 4.3).

use std::{fmt, sync::LazyLock};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    clock::Timestamp,
    error::ConfigError,
    json,
    key::{algorithm::Algorithm, header::strip_application, jwk::Jwk, signing::Key},
    rejection::Rejection,
    token::{MAX_BYTES, date::numeric_date},
};

/// A key whose possession was proved, identified by its thumbprint.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProofKey(String);

impl ProofKey {
    /// Creates the key with this SHA-256 thumbprint (RFC 7638) in base64url, the `jkt` of RFC 9449.
    ///
    /// # Errors
    ///
    /// When it is not 256 bits in base64url without padding.
    pub fn from_thumbprint(thumbprint: &str) -> Result<Self, ConfigError> {
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(thumbprint).ok();
        if bytes.is_none_or(|bytes| bytes.len() != 32) {
            return Err(ConfigError::new("jkt", "is not 256 bits in base64url"));
        }
        Ok(Self(thumbprint.to_owned()))
    }

    /// Returns the SHA-256 thumbprint of RFC 7638, in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(..)")
    }
}

/// The content of a proof whose signature was verified.
pub(super) struct Proof {
    pub(super) key: ProofKey,
    pub(super) id: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) issued_at: Timestamp,
    pub(super) token_hash: Option<[u8; 32]>,
    pub(super) nonce: Option<String>,
}

impl Proof {
    pub(super) fn read(text: &str) -> Result<Self, Rejection> {
        let reject = |reason| Rejection::invalid(reason);
        if text.len() > MAX_BYTES {
            return Err(reject("the proof is longer than 8 KiB"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(reject("the proof does not have three parts"));
        };
        let key = ProofHeader::key(&decode(header)?)?;
        let signed = &text.as_bytes()[..header.len() + 1 + payload.len()];
        if !key.verify(signed, &decode(signature)?) {
            return Err(reject("the proof's signature is wrong"));
        }
        let payload = decode(payload)?;
        let claims: ProofClaims =
            object(&payload).ok_or_else(|| reject("the claims of the proof are malformed"))?;
        claims.checked(ProofKey(key.thumbprint().to_owned()))
    }
}

/// Parses a JSON object. An array is rejected: serde would take its items for members in their
/// order.
fn object<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Option<T> {
    let is_object = text.trim_ascii_start().starts_with(b"{");
    is_object.then(|| json::parse(text).ok()).flatten()
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD
        .decode_to_vec(part)
        .map_err(|_| Rejection::invalid("the proof is not base64url"))
}

/// The members of the header that are used, and those that would change the meaning of the rest and
/// are therefore rejected.
#[derive(Deserialize)]
struct ProofHeader {
    typ: String,
    alg: String,
    jwk: Box<RawValue>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    b64: Present,
    #[serde(default)]
    zip: Present,
    #[serde(default)]
    enc: Present,
}

/// Whether a member is present, with any value.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

impl ProofHeader {
    /// Returns the key of a proof. This is the only place that uses a key from the token itself: it
    /// grants no access.
    fn key(header: &[u8]) -> Result<Key, Rejection> {
        let reject = |reason| Rejection::invalid(reason);
        let header: Self =
            object(header).ok_or_else(|| reject("the header of the proof is malformed"))?;
        if !strip_application(&header.typ).eq_ignore_ascii_case("dpop+jwt") {
            return Err(reject("the proof is of another type"));
        }
        let others = [header.crit, header.b64, header.zip, header.enc];
        if others.iter().any(|Present(is_present)| *is_present) {
            return Err(reject(
                "the proof is encrypted, compressed or has an extension",
            ));
        }
        let algorithm = Algorithm::from_name(&header.alg).filter(|known| !known.is_symmetric());
        let algorithm =
            algorithm.ok_or_else(|| reject("the algorithm of the proof is not asymmetric"))?;
        let unusable = |_| reject("the key of the proof is not usable");
        let jwk = Jwk::parse("jwk", header.jwk.get()).map_err(unusable)?;
        if jwk.has_private_members() {
            return Err(reject("the proof contains a private key"));
        }
        let key = Key::of_jwk(algorithm, &jwk).map_err(unusable)?;
        Ok(key.verifying())
    }
}

#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
    nonce: Option<String>,
}

impl ProofClaims {
    fn checked(self, key: ProofKey) -> Result<Proof, Rejection> {
        let reject = |reason| Rejection::invalid(reason);
        if !(1..=MAX_ID_BYTES).contains(&self.jti.len()) {
            return Err(reject("the proof has no usable `jti`"));
        }
        let issued_at = numeric_date(self.iat)
            .ok_or_else(|| reject("the `iat` of the proof is out of range"))?;
        let hash = |ath: String| {
            let bytes = URL_SAFE_NO_PAD.decode_to_vec(&ath).ok();
            let hash = bytes.and_then(|bytes| bytes.try_into().ok());
            hash.ok_or_else(|| reject("the `ath` of the proof is not a hash"))
        };
        Ok(Proof {
            key,
            id: self.jti,
            method: self.htm,
            url: self.htu,
            issued_at,
            token_hash: self.ath.map(hash).transpose()?,
            nonce: self.nonce,
        })
    }
}

/// The algorithms that a proof may use, for challenges. A proof contains its key and its signature;
/// with ML-DSA-65 and ML-DSA-87 both together are longer than a proof may be.
pub(super) fn algorithms() -> &'static str {
    static NAMES: LazyLock<String> = LazyLock::new(|| {
        let is_short = |known: &&Algorithm| {
            !known.is_symmetric() && !matches!(known, Algorithm::MlDsa65 | Algorithm::MlDsa87)
        };
        let all = Algorithm::ALL.iter().filter(is_short);
        all.map(|known| known.name()).collect::<Vec<_>>().join(" ")
    });
    &NAMES
}

/// Four times the longest id in practice.
const MAX_ID_BYTES: usize = 256;
