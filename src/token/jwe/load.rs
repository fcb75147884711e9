//! Keys from the forms in which others write them: PEM and JWK.

use aws_lc_rs::{
    agreement::{self, ECDH_P256},
    rsa::{
        OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
        PublicEncryptingKey,
    },
};
use zeroize::Zeroizing;

use super::{
    header::point,
    key::{JweAlgorithm, JweKey, Material, exact},
};
use crate::{
    error::ConfigError,
    token::{jwk::Jwk, key::Key, pem},
};

impl JweKey {
    /// Reads the one private or public key of a PEM text (RFC 7468): what [`Key::from_pem`] takes.
    ///
    /// # Errors
    ///
    /// As [`Key::from_pem`].
    pub fn from_pem(algorithm: JweAlgorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::of(algorithm, Key::from_pem(algorithm.twin(), pem)?)
    }

    /// Reads a JSON Web Key (RFC 7517), private or public, and takes the algorithm from its `alg`; an EC key may leave it out.
    ///
    /// `use` and `key_ops` are kept to: a private key whose `key_ops` lists what its public half does and nothing that
    /// decrypts only encrypts. That is `decrypt` or `unwrapKey` for RSA, `deriveKey` or `deriveBits` for EC; a shared
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
        let twin = Key::new(algorithm.twin(), jwk.read(algorithm.twin())?);
        let twin = match jwk.kid()? {
            Some(kid) => twin.with_kid(kid)?,
            None => twin,
        };
        let twin = restrict(&jwk, algorithm, twin)?;
        let Some(secret) = secret else {
            return Self::of(algorithm, twin);
        };
        let secret = exact(&secret).ok_or_else(|| jwk.refuse("its `k` is not of 32 bytes"))?;
        Ok(Self::new(algorithm, twin, Material::Shared(secret)))
    }

    /// The key pair, or the public key, that `twin` is.
    pub(super) fn of(algorithm: JweAlgorithm, twin: Key) -> Result<Self, ConfigError> {
        let material = match algorithm {
            JweAlgorithm::RsaOaep256 => rsa(&twin),
            _ => ec(&twin),
        };
        let unfit = || {
            let reason = format!("{algorithm} cannot be done with this key");
            ConfigError::new("private_key", reason)
        };
        Ok(Self::new(algorithm, twin, material.ok_or_else(unfit)?))
    }
}

fn rsa(twin: &Key) -> Option<Material> {
    let public = PublicEncryptingKey::from_der(twin.public_der()?.as_ref()).ok()?;
    let private = |der: Zeroizing<Vec<u8>>| {
        OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(&der)?)
    };
    let private = pkcs8(twin).map(private).transpose().ok()?;
    Some(Material::Rsa(
        OaepPublicEncryptingKey::new(public).ok()?,
        private,
    ))
}

fn ec(twin: &Key) -> Option<Material> {
    let public = twin.public_jwk()?;
    let point = point(public["x"].as_str()?, public["y"].as_str()?)?;
    let private =
        |der: Zeroizing<Vec<u8>>| agreement::PrivateKey::from_private_key_der(&ECDH_P256, &der);
    let private = pkcs8(twin).map(private).transpose().ok()?;
    Some(Material::Ec(point, private))
}

/// The private half, if there is one, in one form.
fn pkcs8(twin: &Key) -> Option<Zeroizing<Vec<u8>>> {
    let pem = twin.to_pkcs8_pem()?;
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
        None if jwk.required("kty")? == "EC" => Ok(JweAlgorithm::EcdhEs),
        None => Err(jwk.refuse("it has no `alg`")),
    }
}

/// Takes away what the key was not meant for (RFC 7517 section 4.3).
fn restrict(jwk: &Jwk<'_>, algorithm: JweAlgorithm, twin: Key) -> Result<Key, ConfigError> {
    let Some(operations) = jwk.operations()? else {
        return Ok(twin);
    };
    let allows = |names: [&str; 2]| operations.iter().any(|it| names.contains(&it.as_str()));
    let is_private = twin.can_sign();
    match algorithm {
        JweAlgorithm::RsaOaep256 if is_private && allows(["decrypt", "unwrapKey"]) => Ok(twin),
        JweAlgorithm::RsaOaep256 if allows(["encrypt", "wrapKey"]) => Ok(twin.verifying()),
        // Browsers say no operation of a public key, because it takes part in what the private one does.
        JweAlgorithm::EcdhEs if !is_private && operations.is_empty() => Ok(twin),
        JweAlgorithm::EcdhEs if allows(["deriveKey", "deriveBits"]) => Ok(twin),
        JweAlgorithm::A256Kw if allows(["wrapKey"; 2]) && allows(["unwrapKey"; 2]) => Ok(twin),
        _ => Err(jwk.refuse("its `key_ops` allows neither to encrypt nor to decrypt")),
    }
}
