//! Keys from the forms in which others write them: PEM and JWK.

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
    key::{JweAlgorithm, JweKey, JweMaterial, exact},
};
use crate::{
    error::ConfigError,
    token::{
        jwk::{self, Jwk},
        key::Key,
        material::KeyParts,
        pem,
    },
};

impl JweKey {
    /// Reads the one private or public key of a PEM text (RFC 7468): what [`Key::from_pem`] takes.
    ///
    /// # Errors
    ///
    /// As [`Key::from_pem`].
    pub fn from_pem(algorithm: JweAlgorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let key = Key::from_pem_for(
            algorithm.name(),
            algorithm.signing_algorithm(),
            pem.as_ref(),
        )?;
        Self::of(algorithm, key)
    }

    /// Reads a JSON Web Key (RFC 7517), private or public, and takes the algorithm from its `alg`; an EC or OKP key
    /// may leave it out.
    ///
    /// `use` and `key_ops` are kept to: a private key whose `key_ops` lists what its public half does and nothing that
    /// decrypts only encrypts. That is `decrypt` or `unwrapKey` for RSA, `deriveKey` or `deriveBits` for EC and OKP; a shared
    /// secret needs both `wrapKey` and `unwrapKey`.
    ///
    /// # Errors
    ///
    /// When it is not a JWK in every member, as [`Key::from_jwk`] has them, when its `use` is not `enc`, or its `alg` or
    /// `key_ops` is for something else, signing above all, and when it says no algorithm.
    pub fn from_jwk(json: &str) -> Result<Self, ConfigError> {
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
        let parts = jwk.read(algorithm.signing_algorithm(), algorithm.name())?;
        let key = key_from_parts(&jwk, algorithm, parts)?;
        let key = match may_decrypt(&jwk, algorithm, key.can_sign())? {
            true => key,
            false => key.verifying(),
        };
        let Some(secret) = secret else {
            return Self::of(algorithm, key);
        };
        let secret = exact(&secret).ok_or_else(|| jwk.refuse("its `k` does not have 32 bytes"))?;
        Ok(Self::new(algorithm, key, JweMaterial::Shared(secret)))
    }

    /// The key pair, or the public key, that `twin` is.
    pub(super) fn of(algorithm: JweAlgorithm, key: Key) -> Result<Self, ConfigError> {
        let material = match algorithm {
            JweAlgorithm::RsaOaep256 => rsa(&key),
            _ => ec(&key),
        };
        let unfit = || {
            let reason = format!("{algorithm} cannot be done with this key");
            ConfigError::new("private_key", reason)
        };
        Ok(Self::new(algorithm, key, material.ok_or_else(unfit)?))
    }
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

/// The private half, if there is one, in one form.
fn pkcs8(key: &Key) -> Option<Zeroizing<Vec<u8>>> {
    let pem = key.to_pkcs8_pem()?;
    pem::read(pem.expose().as_bytes())
        .ok()
        .map(|block| block.der)
}

/// What `alg` names or, without one, the only algorithm that there is for the kind of key. An RSA key could be for OAEP with
/// another hash, and a shared secret for anything.
fn algorithm(jwk: &Jwk<'_>) -> Result<JweAlgorithm, ConfigError> {
    match jwk.text("alg")? {
        Some(name) => JweAlgorithm::from_name(&name)
            .ok_or_else(|| jwk.refuse("its `alg` is of no encryption offered here")),
        None if ["EC", "OKP"].contains(&&*jwk.required("kty")?) => Ok(JweAlgorithm::EcdhEs),
        None => Err(jwk.refuse("it has no `alg`")),
    }
}

/// Whether the private half may be used, if there is one (RFC 7517 section 4.3).
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
        return Err(jwk.refuse("its `key_ops` is for signing, and one key does not do both"));
    }
    let allows = |names: [&str; 2]| operations.iter().any(|it| names.contains(&it.as_str()));
    match algorithm {
        JweAlgorithm::RsaOaep256 if is_private && allows(["decrypt", "unwrapKey"]) => Ok(true),
        JweAlgorithm::RsaOaep256 if allows(["encrypt", "wrapKey"]) => Ok(false),
        // Browsers say no operation of a public key, because it takes part in what the private one does.
        JweAlgorithm::EcdhEs if !is_private && operations.is_empty() => Ok(false),
        JweAlgorithm::EcdhEs if allows(["deriveKey", "deriveBits"]) => Ok(is_private),
        JweAlgorithm::A256Kw if allows(["wrapKey"; 2]) && allows(["unwrapKey"; 2]) => Ok(true),
        _ => Err(jwk.refuse("its `key_ops` allows neither to encrypt nor to decrypt")),
    }
}

/// What knows the id and the forms of a key made of `parts`.
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

/// RFC 8037 section 2. Nothing signs with such a key.
fn x25519(jwk: &Jwk<'_>) -> Result<JweKey, ConfigError> {
    let algorithm = JweAlgorithm::EcdhEs;
    if jwk.required("crv")? != "X25519" {
        return Err(jwk.refuse("its `crv` is not `X25519`, as ECDH-ES requires"));
    }
    let public = jwk.bytes_of("x", 32)?;
    let x = jwk::encode(&public);
    let point = Point::x25519(&x).filter(|point| agree_ephemeral(point).is_some());
    let point = point.ok_or_else(|| jwk.refuse("with its `x` nobody can agree on a secret"))?;
    let private = match jwk.has("d") {
        true => Some(private_half(jwk, &public)?),
        false => None,
    };
    let may_decrypt = may_decrypt(jwk, algorithm, private.is_some())?;
    let members = vec![
        ("crv", "X25519".to_owned()),
        ("kty", "OKP".to_owned()),
        ("x", x),
    ];
    let key = key_from_parts(jwk, algorithm, KeyParts::non_signing(members))?;
    let material = JweMaterial::Ec(point, private.filter(|_| may_decrypt));
    Ok(JweKey::new(algorithm, key, material))
}

/// The private half, whose public half must be this.
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
