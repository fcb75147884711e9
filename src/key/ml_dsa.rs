//! Reads ML-DSA keys (FIPS 204) from the encodings of RFC 9881.

use aws_lc_rs::{
    encoding::AsDer,
    signature::{KeyPair, PqdsaKeyPair},
};

use super::{
    algorithm::ParameterSet,
    asymmetric::KeyBuilder,
    jwk,
    material::{KeyParts, Signer},
};
use crate::error::ConfigError;

impl KeyBuilder {
    /// Builds a key pair from a private key with its seed, with or without the expanded key, which
    /// must match the seed (RFC 9881 section 6).
    pub(crate) fn ml_dsa_pkcs8(
        &self,
        set: &'static ParameterSet,
        bytes: &[u8],
    ) -> Result<KeyParts, ConfigError> {
        let pair = self.parse(PqdsaKeyPair::from_pkcs8(set.sign, bytes))?;
        // PKCS#8 and JWK exports are written from the seed, which cannot be derived from the
        // expanded key.
        if pair.to_pkcs8v1().is_err() {
            return Err(self.refuse(EXPANDED));
        }
        self.ml_dsa_pair(set, pair)
    }

    pub(crate) fn ml_dsa_pair(
        &self,
        set: &'static ParameterSet,
        pair: PqdsaKeyPair,
    ) -> Result<KeyParts, ConfigError> {
        let public = self.ml_dsa_public(set, pair.public_key().as_ref())?;
        Ok(public.with_signer(Signer::MlDsa(pair)))
    }

    /// Builds a public key from a `SubjectPublicKeyInfo` or the bytes of FIPS 204 section 7.2.
    pub(crate) fn ml_dsa_public(
        &self,
        set: &'static ParameterSet,
        key: &[u8],
    ) -> Result<KeyParts, ConfigError> {
        let key = self.parsed(set.verify, key)?;
        let der = self.parse(key.as_der())?;
        let der = der.as_ref();
        let start = der
            .len()
            .checked_sub(set.public_bytes)
            .ok_or_else(|| self.unfit())?;
        // The thumbprint covers these three members (RFC 9964).
        let members = vec![
            ("alg", self.algorithm.name().to_owned()),
            ("kty", "AKP".to_owned()),
            ("pub", jwk::encode(&der[start..])),
        ];
        Ok(KeyParts::public(members, key))
    }
}

const EXPANDED: &str = "it is an expanded key without its seed, which cannot be exported to other formats; export it with the seed";
