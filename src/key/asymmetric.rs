//! Builds key pairs and public keys. Keys are validated and parsed once.

use std::borrow::Cow;

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{
        ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, PqdsaKeyPair, RsaKeyPair,
        RsaPublicKeyComponents, RsaSubjectPublicKey, VerificationAlgorithm,
    },
};

use crate::{
    error::ConfigError,
    key::{
        algorithm::{Algorithm, EcdsaCurve, Family, ParameterSet, Rsa},
        der,
        der::Encoding,
        encoding::encode,
        low_order,
        material::KeyParts,
        pem, rsa,
        signer::Signer,
    },
};

/// Builds keys for one algorithm. Errors name the setting that was wrong.
pub(crate) struct KeyBuilder {
    setting: &'static str,
    algorithm: Algorithm,
    /// The name of the algorithm in error messages.
    name: &'static str,
}

impl KeyBuilder {
    pub(crate) const fn new(
        setting: &'static str,
        algorithm: Algorithm,
        name: &'static str,
    ) -> Self {
        Self {
            setting,
            algorithm,
            name,
        }
    }

    /// Reads the only key in a PEM text.
    pub(crate) fn pem(
        algorithm: Algorithm,
        name: &'static str,
        pem: &[u8],
    ) -> Result<KeyParts, ConfigError> {
        let block = pem::read(pem)?;
        Self::new("public_key", algorithm, name).der(&block.der, Some(block.encoding))
    }

    /// Reads a key in DER. If `expected` is given, the document must have that encoding.
    pub(super) fn der(
        mut self,
        bytes: &[u8],
        expected: Option<Encoding>,
    ) -> Result<KeyParts, ConfigError> {
        let outline = der::outline(bytes);
        let encoding = expected.or(outline.as_ref().map(|outline| outline.encoding));
        if encoding.is_some_and(Encoding::is_private) {
            self.setting = "private_key";
        }
        match encoding {
            Some(Encoding::EncryptedPkcs8) => return Err(self.refuse(pem::ENCRYPTED)),
            Some(Encoding::Certificate) => return Err(self.refuse(CERTIFICATE)),
            _ => {}
        }
        let outline = outline.ok_or_else(|| self.refuse("it is not a single key in DER"))?;
        if expected.is_some_and(|expected| expected != outline.encoding) {
            return Err(self.refuse("the PEM label does not match the content of the block"));
        }

        let identifier = match self.algorithm.family() {
            Family::Hmac(_) => return Err(self.symmetric()),
            Family::Rsa(_) => der::RSA,
            Family::Ec(_) => der::EC,
            Family::Ed25519 => der::ED25519,
            Family::MlDsa(set) => set.identifier,
        };
        if outline
            .key_type
            .is_some_and(|key_type| key_type != identifier)
        {
            return Err(self.unfit());
        }
        self.encoded(outline.encoding, bytes)
    }

    fn encoded(&self, encoding: Encoding, bytes: &[u8]) -> Result<KeyParts, ConfigError> {
        match (self.algorithm.family(), encoding) {
            (Family::Rsa(rsa), Encoding::Pkcs8) => {
                self.rsa_pair(rsa, self.parse(RsaKeyPair::from_pkcs8(bytes))?)
            }
            (Family::Rsa(rsa), Encoding::Pkcs1Private) => {
                self.rsa_pair(rsa, self.parse(RsaKeyPair::from_der(bytes))?)
            }
            (Family::Rsa(rsa), Encoding::Spki | Encoding::Pkcs1Public) => {
                self.rsa_public(rsa, &self.parse(RsaSubjectPublicKey::from_der(bytes))?)
            }
            (Family::Ec(curve), Encoding::Pkcs8) => self.ec_pair(
                curve,
                self.parse(EcdsaKeyPair::from_pkcs8(curve.sign, bytes))?,
            ),
            (Family::Ec(curve), Encoding::Sec1) => self.ec_pair(
                curve,
                self.parse(EcdsaKeyPair::from_private_key_der(curve.sign, bytes))?,
            ),
            (Family::Ec(curve), Encoding::Spki) => self.ec_public(curve, bytes),
            (Family::Ed25519, Encoding::Pkcs8) => {
                self.ed25519_pair(self.parse(Ed25519KeyPair::from_pkcs8(bytes))?)
            }
            (Family::Ed25519, Encoding::Spki) => self.ed25519_public(bytes),
            (Family::MlDsa(set), Encoding::Pkcs8) => self.ml_dsa_pkcs8(set, bytes),
            (Family::MlDsa(set), Encoding::Spki) => self.ml_dsa_public(set, bytes),
            _ => Err(self.unfit()),
        }
    }

    /// Generates a key pair.
    pub(crate) fn generate(&self) -> Result<KeyParts, ConfigError> {
        let failed = |_| self.refuse("the cryptographic library could not generate a key");
        match self.algorithm.family() {
            Family::Hmac(_) => Err(self.symmetric()),
            Family::Rsa(rsa) => {
                self.rsa_pair(rsa, RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?)
            }
            Family::Ec(curve) => {
                self.ec_pair(curve, EcdsaKeyPair::generate(curve.sign).map_err(failed)?)
            }
            Family::Ed25519 => self.ed25519_pair(Ed25519KeyPair::generate().map_err(failed)?),
            Family::MlDsa(set) => {
                self.ml_dsa_pair(set, PqdsaKeyPair::generate(set.sign).map_err(failed)?)
            }
        }
    }

    pub(crate) fn rsa_pair(&self, rsa: Rsa, pair: RsaKeyPair) -> Result<KeyParts, ConfigError> {
        let public = self.rsa_public(rsa, pair.public_key())?;
        Ok(public.with_signer(Signer::Rsa(pair, rsa.sign)))
    }

    fn rsa_public(&self, rsa: Rsa, key: &RsaSubjectPublicKey) -> Result<KeyParts, ConfigError> {
        let modulus = key.modulus().big_endian_without_leading_zero();
        self.rsa_components(
            rsa,
            modulus,
            key.exponent().big_endian_without_leading_zero(),
        )
    }

    /// Builds a public key from the modulus and the public exponent, both without leading zeros.
    pub(crate) fn rsa_components(
        &self,
        algorithm: Rsa,
        modulus: &[u8],
        exponent: &[u8],
    ) -> Result<KeyParts, ConfigError> {
        rsa::check(modulus, exponent).map_err(|reason| self.refuse(reason))?;
        let der = self.parse(
            RsaPublicKeyComponents {
                n: modulus,
                e: exponent,
            }
            .as_der(),
        )?;
        let members = vec![
            ("e", encode(exponent)),
            ("kty", "RSA".to_owned()),
            ("n", encode(modulus)),
        ];
        // Parsing the DER makes the library validate the numbers; using the components directly
        // does not.
        Ok(KeyParts::public(
            members,
            self.parsed(algorithm.verify, der.as_ref())?,
        ))
    }

    pub(crate) fn ec_pair(
        &self,
        curve: &'static EcdsaCurve,
        pair: EcdsaKeyPair,
    ) -> Result<KeyParts, ConfigError> {
        let public = self.ec_public(curve, pair.public_key().as_ref())?;
        Ok(public.with_signer(Signer::Ec(pair, curve.order)))
    }

    /// Builds a public key from a `SubjectPublicKeyInfo` or an uncompressed point, which must be on
    /// the curve.
    pub(crate) fn ec_public(
        &self,
        curve: &'static EcdsaCurve,
        key: &[u8],
    ) -> Result<KeyParts, ConfigError> {
        let key = self.parsed(curve.verify, key)?;
        // The library writes points uncompressed, so the coordinates are the last bytes of the
        // document.
        let der = self.parse(key.as_der())?;
        let der = der.as_ref();
        let start = der
            .len()
            .checked_sub(2 * curve.bytes)
            .ok_or_else(|| self.unfit())?;
        let (x, y) = der[start..].split_at(curve.bytes);
        let members = vec![
            ("crv", curve.name.to_owned()),
            ("kty", "EC".to_owned()),
            ("x", encode(x)),
            ("y", encode(y)),
        ];
        Ok(KeyParts::public(members, key))
    }

    pub(crate) fn ed25519_pair(&self, pair: Ed25519KeyPair) -> Result<KeyParts, ConfigError> {
        let public = self.ed25519_public(pair.public_key().as_ref())?;
        Ok(public.with_signer(Signer::Ed25519(pair)))
    }

    /// Builds a public key from a `SubjectPublicKeyInfo` or the 32 bytes of RFC 8032 section 5.1.5.
    /// The library checks only their length.
    pub(crate) fn ed25519_public(&self, key: &[u8]) -> Result<KeyParts, ConfigError> {
        let key = self.parsed(&ED25519, key)?;
        let der = self.parse(key.as_der())?;
        let (_, x) = der
            .as_ref()
            .split_last_chunk::<32>()
            .ok_or_else(|| self.unfit())?;
        if low_order::is_of_low_order(x) {
            return Err(self.refuse("its point has low order, so signatures can be forged"));
        }
        let members = vec![
            ("crv", "Ed25519".to_owned()),
            ("kty", "OKP".to_owned()),
            ("x", encode(x)),
        ];
        Ok(KeyParts::public(members, key))
    }

    /// Builds a key pair from a private key with its seed, with or without the expanded key, which
    /// must match the seed (RFC 9881 section 6).
    fn ml_dsa_pkcs8(
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
            ("pub", encode(&der[start..])),
        ];
        Ok(KeyParts::public(members, key))
    }

    fn parsed(
        &self,
        with: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<ParsedPublicKey, ConfigError> {
        self.parse(ParsedPublicKey::new(with, key))
    }

    /// Turns an error of the library into one that says that the key does not fit the algorithm.
    fn parse<T, E>(&self, outcome: Result<T, E>) -> Result<T, ConfigError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        outcome.map_err(|error| self.unfit().with_source(error))
    }

    fn unfit(&self) -> ConfigError {
        let expected = match self.algorithm.family() {
            Family::Hmac(_) => return self.symmetric(),
            Family::Rsa(_) => "an RSA key of 2048 to 8192 bits",
            Family::Ec(curve) => curve.expected,
            Family::Ed25519 => "an Ed25519 key",
            Family::MlDsa(set) => set.expected,
        };
        self.refuse(format!(
            "{} requires {expected}, and this is not a usable one",
            self.name
        ))
    }

    fn symmetric(&self) -> ConfigError {
        let reason = format!(
            "{} requires a shared secret (see `Key::hs256`), not a key pair",
            self.name
        );
        ConfigError::new("alg", reason)
    }

    fn refuse(&self, reason: impl Into<Cow<'static, str>>) -> ConfigError {
        ConfigError::new(self.setting, reason)
    }
}

const CERTIFICATE: &str =
    "it is a certificate; extract the public key with `openssl x509 -in file -noout -pubkey`";

const EXPANDED: &str = "it is an expanded key without its seed, which cannot be exported to other formats; export it with the seed";
