//! Keys for ML-DSA (FIPS 204), in the forms of RFC 9881 and as their seed.

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
    /// Takes a private key with its seed, alone or beside the expanded key, which then must be of this seed (RFC 9881
    /// section 6).
    pub(super) fn ml_dsa_pkcs8(
        &self,
        set: &'static ParameterSet,
        bytes: &[u8],
    ) -> Result<KeyParts, ConfigError> {
        let pair = self.parse(PqdsaKeyPair::from_pkcs8(set.sign, bytes))?;
        // The seed is what PKCS#8 and a JWK are written from. From the expanded key nobody can tell it.
        if pair.to_pkcs8v1().is_err() {
            return Err(self.refuse(EXPANDED));
        }
        self.ml_dsa_pair(set, pair)
    }

    pub(super) fn ml_dsa_pair(
        &self,
        set: &'static ParameterSet,
        pair: PqdsaKeyPair,
    ) -> Result<KeyParts, ConfigError> {
        let public = self.ml_dsa_public(set, pair.public_key().as_ref())?;
        Ok(public.with_signer(Signer::MlDsa(pair)))
    }

    /// Takes a `SubjectPublicKeyInfo` or the bytes of FIPS 204 section 7.2.
    pub(super) fn ml_dsa_public(
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
        // The thumbprint is of these three (RFC 9964).
        let members = vec![
            ("alg", self.algorithm.name().to_owned()),
            ("kty", "AKP".to_owned()),
            ("pub", jwk::encode(&der[start..])),
        ];
        Ok(KeyParts::public(members, key))
    }
}

const EXPANDED: &str = "it is an expanded key without its seed, from which no other form can be made; export it with the seed";
