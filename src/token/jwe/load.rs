//! Loads encryption keys from PEM and JWK.

use aws_lc_rs::{
    agreement::{self, ECDH_P256, X25519},
    rsa::{
        OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
        PublicEncryptingKey,
    },
};
use zeroize::Zeroizing;

use super::{
    agree::{Point, agree_ephemeral},
    algorithm::JweAlgorithm,
    content::exact,
    material::JweMaterial,
};
use crate::{
    error::ConfigError,
    key::{asymmetric::KeyBuilder, encoding, jwk, jwk::Jwk, material::KeyParts, pem, signing::Key},
};

/// The parts of an encryption key.
pub(super) type LoadedKey = (JweAlgorithm, Key, JweMaterial);

/// Reads a key in PEM.
pub(super) fn from_pem(algorithm: JweAlgorithm, pem: &[u8]) -> Result<LoadedKey, ConfigError> {
    let signing = algorithm.signing_algorithm();
    let key = Key::new(signing, KeyBuilder::pem(signing, algorithm.name(), pem)?);
    let material = material_of(algorithm, &key)?;
    Ok((algorithm, key, material))
}

/// Reads a JWK. See [`JweKey::from_jwk`](super::JweKey::from_jwk).
pub(super) fn from_jwk(json: &str) -> Result<LoadedKey, ConfigError> {
    let jwk = Jwk::parse("jwk", json)?;
    let algorithm = algorithm(&jwk)?;
    jwk.expect_use("enc")?;
    let secret = match algorithm {
        JweAlgorithm::A256Kw => Some(jwk.bytes_of("k", 32)?),
        _ => None,
    };
    if algorithm == JweAlgorithm::EcdhEs && jwk.required("kty")? == "OKP" {
        return x25519(&jwk);
    }
    let parts = jwk::read(&jwk, algorithm.signing_algorithm(), algorithm.name())?;
    let key = key_from_parts(&jwk, algorithm, parts)?;
    let key = if may_decrypt(&jwk, algorithm, key.can_sign())? {
        key
    } else {
        key.verifying()
    };
    let Some(secret) = secret else {
        let material = material_of(algorithm, &key)?;
        return Ok((algorithm, key, material));
    };
    let secret = exact(&secret).ok_or_else(|| jwk.refuse("its `k` does not have 32 bytes"))?;
    Ok((algorithm, key, JweMaterial::Shared(secret)))
}

/// Returns the encryption key of a signing key of the same type.
pub(super) fn material_of(algorithm: JweAlgorithm, key: &Key) -> Result<JweMaterial, ConfigError> {
    let material = match algorithm {
        JweAlgorithm::RsaOaep256 => rsa(key),
        _ => ec(key),
    };
    let unfit = || {
        let reason = format!("this key cannot be used for {algorithm}");
        ConfigError::new("private_key", reason)
    };
    material.ok_or_else(unfit)
}

fn rsa(key: &Key) -> Option<JweMaterial> {
    let public = PublicEncryptingKey::from_der(key.public_der()?.as_ref()).ok()?;
    let private = |der: Zeroizing<Vec<u8>>| {
        OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&der)?)
    };
    let private = pkcs8(key).map(private).transpose().ok()?;
    Some(JweMaterial::Rsa(
        OaepPublicEncryptingKey::new(public).ok()?,
        private,
    ))
}

fn ec(key: &Key) -> Option<JweMaterial> {
    let public = key.public_jwk()?;
    let point = Point::p256(public["x"].as_str()?, public["y"].as_str()?)?;
    let private =
        |der: Zeroizing<Vec<u8>>| agreement::PrivateKey::from_private_key_der(&ECDH_P256, &der);
    let private = pkcs8(key).map(private).transpose().ok()?;
    Some(JweMaterial::Ec(point, private))
}

/// Returns the private half, if there is one, as PKCS#8.
fn pkcs8(key: &Key) -> Option<Zeroizing<Vec<u8>>> {
    let pem = key.to_pkcs8_pem()?;
    pem::read(pem.expose().as_bytes())
        .ok()
        .map(|block| block.der)
}

/// Returns the algorithm that `alg` names or, if there is none, the only one for the key type. An
/// RSA key could be for OAEP with another hash, and a shared secret for any algorithm, so both need
/// `alg`.
fn algorithm(jwk: &Jwk<'_>) -> Result<JweAlgorithm, ConfigError> {
    match jwk.text("alg")? {
        Some(name) => JweAlgorithm::from_name(&name)
            .ok_or_else(|| jwk.refuse("its `alg` is not a supported encryption algorithm")),
        None if ["EC", "OKP"].contains(&&*jwk.required("kty")?) => Ok(JweAlgorithm::EcdhEs),
        None => Err(jwk.refuse("it has no `alg`")),
    }
}

/// Returns whether the private half exists and may be used (RFC 7517 section 4.3).
fn may_decrypt(
    jwk: &Jwk<'_>,
    algorithm: JweAlgorithm,
    is_private: bool,
) -> Result<bool, ConfigError> {
    let Some(operations) = jwk.operations()? else {
        return Ok(is_private);
    };
    if operations
        .iter()
        .any(|it| ["sign", "verify"].contains(&it.as_str()))
    {
        return Err(jwk.refuse("its `key_ops` is for signing, and one key must not do both"));
    }
    let allows = |names: [&str; 2]| operations.iter().any(|it| names.contains(&it.as_str()));
    match algorithm {
        JweAlgorithm::RsaOaep256 if is_private && allows(["decrypt", "unwrapKey"]) => Ok(true),
        JweAlgorithm::RsaOaep256 if allows(["encrypt", "wrapKey"]) => Ok(false),
        // Browsers export a public key with an empty `key_ops`, since it only takes part in the
        // operations of the private key.
        JweAlgorithm::EcdhEs if !is_private && operations.is_empty() => Ok(false),
        JweAlgorithm::EcdhEs if allows(["deriveKey", "deriveBits"]) => Ok(is_private),
        JweAlgorithm::A256Kw if allows(["wrapKey"; 2]) && allows(["unwrapKey"; 2]) => Ok(true),
        _ => Err(jwk.refuse("its `key_ops` allows neither encrypting nor decrypting")),
    }
}

/// Builds the underlying key from `parts`, with the id of the JWK.
fn key_from_parts(
    jwk: &Jwk<'_>,
    algorithm: JweAlgorithm,
    parts: KeyParts,
) -> Result<Key, ConfigError> {
    let key = Key::new(algorithm.signing_algorithm(), parts);
    match jwk.kid()? {
        Some(kid) => key.with_kid(kid),
        None => Ok(key),
    }
}

/// Reads a key on X25519 (RFC 8037 section 2). Such a key cannot sign.
fn x25519(jwk: &Jwk<'_>) -> Result<LoadedKey, ConfigError> {
    let algorithm = JweAlgorithm::EcdhEs;
    if jwk.required("crv")? != "X25519" {
        return Err(jwk.refuse("its `crv` is not `X25519`, as ECDH-ES requires"));
    }
    let public = jwk.bytes_of("x", 32)?;
    let x = encoding::encode(&public);
    let point = Point::x25519(&x).filter(|point| agree_ephemeral(point).is_some());
    let point =
        point.ok_or_else(|| jwk.refuse("its `x` has low order, so no secret can be agreed on"))?;
    let private = if jwk.has("d") {
        Some(private_half(jwk, &public)?)
    } else {
        None
    };
    let may_decrypt = may_decrypt(jwk, algorithm, private.is_some())?;
    let members = vec![
        ("crv", "X25519".to_owned()),
        ("kty", "OKP".to_owned()),
        ("x", x),
    ];
    let key = key_from_parts(jwk, algorithm, KeyParts::non_signing(members))?;
    let material = JweMaterial::Ec(point, private.filter(|_| may_decrypt));
    Ok((algorithm, key, material))
}

/// Reads the private half, which must match the public one.
fn private_half(jwk: &Jwk<'_>, public: &[u8]) -> Result<agreement::PrivateKey, ConfigError> {
    let d = jwk.bytes_of("d", 32)?;
    let private = agreement::PrivateKey::from_private_key(&X25519, &d).ok();
    let fits = |private: &agreement::PrivateKey| {
        let own = private.compute_public_key();
        own.is_ok_and(|own| own.as_ref() == public)
    };
    let refuse = || jwk.refuse("its private and public members do not match");
    private.filter(fits).ok_or_else(refuse)
}
