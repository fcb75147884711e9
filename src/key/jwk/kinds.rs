//! Reads the members of a JWK by key type.

use aws_lc_rs::{
    error::KeyRejected,
    rsa::KeyPairComponents,
    signature::{
        EcdsaKeyPair, Ed25519KeyPair, KeyPair, PqdsaKeyPair, RsaKeyPair, RsaPublicKeyComponents,
    },
};

use super::{Jwk, RSA_PRIVATE};
use crate::{
    error::ConfigError,
    key::{
        algorithm::{EcdsaCurve, ParameterSet, Rsa},
        asymmetric::KeyBuilder,
        material::KeyParts,
    },
};

impl Jwk<'_> {
    /// Reads an RSA key (RFC 7518 section 6.3).
    pub(crate) fn rsa(&self, build: &KeyBuilder, rsa: Rsa) -> Result<KeyParts, ConfigError> {
        let (n, e) = (self.bytes("n")?, self.bytes("e")?);
        let public = build.rsa_components(rsa, &n, &e)?;
        if self.has("oth") {
            return Err(self.refuse("RSA keys with more than two primes are not supported"));
        }
        if !RSA_PRIVATE.iter().any(|name| self.has(name)) {
            return Ok(public);
        }
        if let Some(missing) = RSA_PRIVATE.iter().find(|name| !self.has(name)) {
            let reason = format!(
                "its `{missing}` is missing: an RSA private key needs all of d, p, q, dp, dq, qi"
            );
            return Err(self.refuse(reason));
        }
        let pair = RsaKeyPair::from_components(&KeyPairComponents {
            public_key: RsaPublicKeyComponents { n: &**n, e: &**e },
            d: &**self.bytes("d")?,
            p: &**self.bytes("p")?,
            q: &**self.bytes("q")?,
            dP: &**self.bytes("dp")?,
            dQ: &**self.bytes("dq")?,
            qInv: &**self.bytes("qi")?,
        });
        build.rsa_pair(rsa, self.consistent(pair)?)
    }

    /// Reads an EC key (RFC 7518 section 6.2).
    pub(crate) fn ec(
        &self,
        build: &KeyBuilder,
        curve: &'static EcdsaCurve,
    ) -> Result<KeyParts, ConfigError> {
        let mut point = vec![UNCOMPRESSED];
        for name in ["x", "y"] {
            point.extend_from_slice(&self.bytes_of(name, curve.bytes)?);
        }
        if !self.has("d") {
            return build.ec_public(curve, &point);
        }
        let d = self.bytes_of("d", curve.bytes)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.sign, &d, &point);
        build.ec_pair(curve, self.consistent(pair)?)
    }

    /// Reads an Ed25519 key (RFC 8037 section 2).
    pub(crate) fn ed25519(&self, build: &KeyBuilder) -> Result<KeyParts, ConfigError> {
        let x = self.bytes_of("x", 32)?;
        if !self.has("d") {
            return build.ed25519_public(&x);
        }
        let pair = Ed25519KeyPair::from_seed_and_public_key(&self.bytes_of("d", 32)?, &x);
        build.ed25519_pair(self.consistent(pair)?)
    }

    /// Reads an ML-DSA key (RFC 9964): the private key is the seed, and `alg` is required.
    pub(crate) fn ml_dsa(
        &self,
        build: &KeyBuilder,
        set: &'static ParameterSet,
    ) -> Result<KeyParts, ConfigError> {
        self.required("alg")?;
        let public = self.bytes_of("pub", set.public_bytes)?;
        if !self.has("priv") {
            return build.ml_dsa_public(set, &public);
        }
        let seed = self.bytes_of("priv", set.sign.seed_len())?;
        let pair = PqdsaKeyPair::from_seed(set.sign, &seed);
        let fits = |pair: &PqdsaKeyPair| pair.public_key().as_ref() == &**public;
        match pair {
            Ok(pair) if fits(&pair) => build.ml_dsa_pair(set, pair),
            _ => Err(self.refuse(INCONSISTENT)),
        }
    }

    fn consistent<T>(&self, pair: Result<T, KeyRejected>) -> Result<T, ConfigError> {
        pair.map_err(|error| self.refuse(INCONSISTENT).with_source(error))
    }
}

const INCONSISTENT: &str = "its private and public members do not match";

/// The first byte of a point with both coordinates (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
