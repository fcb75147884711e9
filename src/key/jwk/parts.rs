//! Builds keys from the members of a JWK, by key type.

use aws_lc_rs::{
    error::KeyRejected,
    rsa::KeyPairComponents,
    signature::{
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, RsaKeyPair, RsaPublicKeyComponents,
    },
};

use super::document::{Jwk, RSA_PRIVATE, Uses};
use crate::{
    error::ConfigError,
    key::{
        algorithm::{Algorithm, EcdsaCurve, Family, ParameterSet, Rsa},
        asymmetric::KeyBuilder,
        material::{KeyParts, VerifyingKey},
        symmetric,
    },
};

/// Returns the key, bound to `algorithm`. Every member must fit that algorithm.
pub(crate) fn parts(jwk: &Jwk<'_>, algorithm: Algorithm) -> Result<KeyParts, ConfigError> {
    if jwk
        .stated_algorithm()?
        .is_some_and(|stated| stated != algorithm)
    {
        return Err(jwk.refuse(format!("its `alg` differs from {algorithm}")));
    }
    let uses = jwk.uses()?;
    restrict(jwk, read(jwk, algorithm, algorithm.name())?, &uses)
}

/// Builds a key of this algorithm from the members, without checking what the key is for.
/// Errors refer to the algorithm by `name`.
pub(crate) fn read(
    jwk: &Jwk<'_>,
    algorithm: Algorithm,
    name: &'static str,
) -> Result<KeyParts, ConfigError> {
    let build = KeyBuilder::new(jwk.setting, algorithm, name);
    match algorithm.family() {
        Family::Hmac(hash) => {
            jwk.expect("kty", "oct", name)?;
            symmetric::parts(jwk.setting, name, hash, &jwk.bytes("k")?)
        }
        Family::Rsa(rsa) => {
            jwk.expect("kty", "RSA", name)?;
            read_rsa(jwk, &build, rsa)
        }
        Family::Ec(curve) => {
            jwk.expect("kty", "EC", name)?;
            jwk.expect("crv", curve.name, name)?;
            read_ec(jwk, &build, curve)
        }
        Family::Ed25519 => {
            jwk.expect("kty", "OKP", name)?;
            jwk.expect("crv", "Ed25519", name)?;
            read_ed25519(jwk, &build)
        }
        Family::MlDsa(set) => {
            jwk.expect("kty", "AKP", name)?;
            read_ml_dsa(jwk, &build, set)
        }
    }
}

/// Removes the capabilities that the key is not meant to have.
fn restrict(jwk: &Jwk<'_>, mut parts: KeyParts, uses: &Uses) -> Result<KeyParts, ConfigError> {
    let is_pair = parts.signer.is_some() && parts.members.is_some();
    if !uses.sign {
        parts.signer = None;
    }
    // The `key_ops` of a private key describe the private half: browsers export `["sign"]`, and
    // anyone may verify with the public half.
    let verifies = uses.verify || is_pair && uses.sign;
    if !verifies {
        parts.verifying_key = VerifyingKey::Never;
    }
    match (&parts.verifying_key, &parts.signer) {
        (VerifyingKey::Never, None) => {
            Err(jwk.refuse("its `key_ops` allows neither signing nor verifying"))
        }
        _ => Ok(parts),
    }
}

/// Reads an RSA key (RFC 7518 section 6.3).
fn read_rsa(jwk: &Jwk<'_>, build: &KeyBuilder, rsa: Rsa) -> Result<KeyParts, ConfigError> {
    let (n, e) = (jwk.bytes("n")?, jwk.bytes("e")?);
    let public = build.rsa_components(rsa, &n, &e)?;
    if jwk.has("oth") {
        return Err(jwk.refuse("RSA keys with more than two primes are not supported"));
    }
    if !RSA_PRIVATE.iter().any(|name| jwk.has(name)) {
        return Ok(public);
    }
    if let Some(missing) = RSA_PRIVATE.iter().find(|name| !jwk.has(name)) {
        let reason = format!(
            "its `{missing}` is missing: an RSA private key needs all of d, p, q, dp, dq, qi"
        );
        return Err(jwk.refuse(reason));
    }
    let pair = RsaKeyPair::from_components(&KeyPairComponents {
        public_key: RsaPublicKeyComponents { n: &**n, e: &**e },
        d: &**jwk.bytes("d")?,
        p: &**jwk.bytes("p")?,
        q: &**jwk.bytes("q")?,
        dP: &**jwk.bytes("dp")?,
        dQ: &**jwk.bytes("dq")?,
        qInv: &**jwk.bytes("qi")?,
    });
    build.rsa_pair(rsa, consistent(jwk, pair)?)
}

/// Reads an EC key (RFC 7518 section 6.2).
fn read_ec(
    jwk: &Jwk<'_>,
    build: &KeyBuilder,
    curve: &'static EcdsaCurve,
) -> Result<KeyParts, ConfigError> {
    let mut point = vec![UNCOMPRESSED];
    for name in ["x", "y"] {
        point.extend_from_slice(&jwk.bytes_of(name, curve.bytes)?);
    }
    if !jwk.has("d") {
        return build.ec_public(curve, &point);
    }
    let d = jwk.bytes_of("d", curve.bytes)?;
    let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.sign, &d, &point);
    build.ec_pair(curve, consistent(jwk, pair)?)
}

/// Reads an Ed25519 key (RFC 8037 section 2).
fn read_ed25519(jwk: &Jwk<'_>, build: &KeyBuilder) -> Result<KeyParts, ConfigError> {
    let x = jwk.bytes_of("x", 32)?;
    if !jwk.has("d") {
        return build.ed25519_public(&x);
    }
    let pair = Ed25519KeyPair::from_seed_and_public_key(&jwk.bytes_of("d", 32)?, &x);
    build.ed25519_pair(consistent(jwk, pair)?)
}

/// Reads an ML-DSA key (RFC 9964): the private key is the seed, and `alg` is required.
fn read_ml_dsa(
    jwk: &Jwk<'_>,
    build: &KeyBuilder,
    set: &'static ParameterSet,
) -> Result<KeyParts, ConfigError> {
    jwk.required("alg")?;
    let public = jwk.bytes_of("pub", set.public_bytes)?;
    if !jwk.has("priv") {
        return build.ml_dsa_public(set, &public);
    }
    let seed = jwk.bytes_of("priv", set.sign.seed_len())?;
    let pair = PqdsaKeyPair::from_seed(set.sign, &seed);
    let fits = |pair: &PqdsaKeyPair| pair.public_key().as_ref() == &**public;
    match pair {
        Ok(pair) if fits(&pair) => build.ml_dsa_pair(set, pair),
        _ => Err(jwk.refuse(INCONSISTENT)),
    }
}

fn consistent<T>(jwk: &Jwk<'_>, pair: Result<T, KeyRejected>) -> Result<T, ConfigError> {
    pair.map_err(|error| jwk.refuse(INCONSISTENT).with_source(error))
}

const INCONSISTENT: &str = "its private and public members do not match";

/// The first byte of a point with both coordinates (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
