//! The signature algorithms of RFC 7518 section 3, RFC 8037 section 3.1, RFC 8812 section 3.2 and
//! RFC 9964, with the parameters of each.

use std::fmt;

use aws_lc_rs::{
    hmac,
    signature::{
        self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, PqdsaSigningAlgorithm,
        PqdsaVerificationAlgorithm, RsaParameters, RsaSignatureEncoding,
    },
};

/// A signature algorithm for JSON Web Signatures.
///
/// `none` (RFC 7518 section 3.6) is not supported: an unsigned token is always rejected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 7518 section 3.2).
    Hs256,
    /// HMAC with SHA-384 (RFC 7518 section 3.2).
    Hs384,
    /// HMAC with SHA-512 (RFC 7518 section 3.2).
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 section 3.3).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 section 3.3).
    Rs512,
    /// RSASSA-PSS with SHA-256 (RFC 7518 section 3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384 (RFC 7518 section 3.5).
    Ps384,
    /// RSASSA-PSS with SHA-512 (RFC 7518 section 3.5).
    Ps512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 section 3.4).
    Es384,
    /// ECDSA on P-521 with SHA-512 (RFC 7518 section 3.4).
    Es512,
    /// ECDSA on secp256k1 with SHA-256 (RFC 8812 section 3.2).
    Es256k,
    /// EdDSA on Ed25519 (RFC 8037 section 3.1). Written as `EdDSA`; `Ed25519` (RFC 9864) is read as
    /// well. Ed448 is not supported.
    EdDsa,
    /// ML-DSA-44 (FIPS 204, RFC 9964), a post-quantum algorithm. A signature has 2420 bytes.
    MlDsa44,
    /// ML-DSA-65 (FIPS 204, RFC 9964). A signature has 3309 bytes, so a token does not fit into a
    /// cookie.
    MlDsa65,
    /// ML-DSA-87 (FIPS 204, RFC 9964). A signature has 4627 bytes, which leaves 1.4 KiB for the
    /// claims of a token.
    MlDsa87,
}

impl Algorithm {
    /// All supported algorithms.
    pub const ALL: &[Self] = &[
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Es256k,
        Self::EdDsa,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// Returns the value of the `alg` parameter, as registered with IANA for JOSE.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Es256k => "ES256K",
            Self::EdDsa => "EdDSA",
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    /// Returns the algorithm with this name, or `None` if it is unknown. Names are case-sensitive
    /// (RFC 7515 section 4.1.1). `Ed25519`, the name that replaces `EdDSA` in RFC 9864, is
    /// [`EdDsa`](Self::EdDsa) as well.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = match name {
            "Ed25519" => Self::EdDsa.name(),
            name => name,
        };
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| algorithm.name() == name)
    }

    /// Returns whether the same key signs and verifies, as in the HMAC algorithms.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// The upper bound of the length of a signature, in bytes.
    pub(crate) fn longest_signature(self) -> usize {
        match self.family() {
            Family::MlDsa(set) => set.sign.signature_len(),
            _ => RSA_SIGNATURE_BYTES,
        }
    }

    pub(crate) fn family(self) -> Family {
        let rsa = |verify, sign| Family::Rsa(Rsa { verify, sign });
        match self {
            Self::Hs256 => Family::Hmac(hmac::HMAC_SHA256),
            Self::Hs384 => Family::Hmac(hmac::HMAC_SHA384),
            Self::Hs512 => Family::Hmac(hmac::HMAC_SHA512),
            Self::Rs256 => rsa(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                &signature::RSA_PKCS1_SHA256,
            ),
            Self::Rs384 => rsa(
                &signature::RSA_PKCS1_2048_8192_SHA384,
                &signature::RSA_PKCS1_SHA384,
            ),
            Self::Rs512 => rsa(
                &signature::RSA_PKCS1_2048_8192_SHA512,
                &signature::RSA_PKCS1_SHA512,
            ),
            Self::Ps256 => rsa(
                &signature::RSA_PSS_2048_8192_SHA256,
                &signature::RSA_PSS_SHA256,
            ),
            Self::Ps384 => rsa(
                &signature::RSA_PSS_2048_8192_SHA384,
                &signature::RSA_PSS_SHA384,
            ),
            Self::Ps512 => rsa(
                &signature::RSA_PSS_2048_8192_SHA512,
                &signature::RSA_PSS_SHA512,
            ),
            Self::Es256 => Family::Ec(&P256),
            Self::Es384 => Family::Ec(&P384),
            Self::Es512 => Family::Ec(&P521),
            Self::Es256k => Family::Ec(&SECP256K1),
            Self::EdDsa => Family::Ed25519,
            Self::MlDsa44 => Family::MlDsa(&ML_DSA_44),
            Self::MlDsa65 => Family::MlDsa(&ML_DSA_65),
            Self::MlDsa87 => Family::MlDsa(&ML_DSA_87),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The length of a signature by the longest accepted RSA key, 8192 bits.
pub(crate) const RSA_SIGNATURE_BYTES: usize = 1024;

/// The cryptographic parameters of an algorithm, by key type.
pub(crate) enum Family {
    Hmac(hmac::Algorithm),
    Rsa(Rsa),
    Ec(&'static EcdsaCurve),
    Ed25519,
    MlDsa(&'static ParameterSet),
}

#[derive(Clone, Copy)]
pub(crate) struct Rsa {
    pub(crate) verify: &'static RsaParameters,
    pub(crate) sign: &'static RsaSignatureEncoding,
}

/// A curve of RFC 7518 section 6.2.1.1 or RFC 8812 section 3.1, with the hash that its algorithm
/// requires.
pub(crate) struct EcdsaCurve {
    pub(crate) name: &'static str,
    /// The expected kind of key, for error messages.
    pub(crate) expected: &'static str,
    pub(crate) algorithm: Algorithm,
    /// The length of a coordinate and of the private key, in bytes.
    pub(crate) bytes: usize,
    pub(crate) verify: &'static EcdsaVerificationAlgorithm,
    pub(crate) sign: &'static EcdsaSigningAlgorithm,
    /// The order of the curve, if other implementations accept only the lower of the two possible
    /// values of s.
    pub(crate) order: Option<&'static [u8; 32]>,
}

impl EcdsaCurve {
    pub(crate) fn from_name(name: &str) -> Option<&'static Self> {
        [&P256, &P384, &P521, &SECP256K1]
            .into_iter()
            .find(|curve| curve.name == name)
    }
}

static P256: EcdsaCurve = EcdsaCurve {
    name: "P-256",
    expected: "an EC key on P-256",
    algorithm: Algorithm::Es256,
    bytes: 32,
    verify: &signature::ECDSA_P256_SHA256_FIXED,
    sign: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    order: None,
};

static P384: EcdsaCurve = EcdsaCurve {
    name: "P-384",
    expected: "an EC key on P-384",
    algorithm: Algorithm::Es384,
    bytes: 48,
    verify: &signature::ECDSA_P384_SHA384_FIXED,
    sign: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    order: None,
};

static P521: EcdsaCurve = EcdsaCurve {
    name: "P-521",
    expected: "an EC key on P-521",
    algorithm: Algorithm::Es512,
    bytes: 66,
    verify: &signature::ECDSA_P521_SHA512_FIXED,
    sign: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    order: None,
};

static SECP256K1: EcdsaCurve = EcdsaCurve {
    name: "secp256k1",
    expected: "an EC key on secp256k1",
    algorithm: Algorithm::Es256k,
    bytes: 32,
    verify: &signature::ECDSA_P256K1_SHA256_FIXED,
    sign: &signature::ECDSA_P256K1_SHA256_FIXED_SIGNING,
    order: Some(&[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36,
        0x41, 0x41,
    ]),
};

/// A parameter set of FIPS 204 section 4.
pub(crate) struct ParameterSet {
    /// The expected kind of key, for error messages.
    pub(crate) expected: &'static str,
    /// The object identifier (RFC 9881 section 2).
    pub(crate) identifier: &'static [u8],
    /// The length of the public key, in bytes.
    pub(crate) public_bytes: usize,
    pub(crate) verify: &'static PqdsaVerificationAlgorithm,
    pub(crate) sign: &'static PqdsaSigningAlgorithm,
}

static ML_DSA_44: ParameterSet = ParameterSet {
    expected: "an ML-DSA-44 key",
    identifier: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11],
    public_bytes: 1312,
    verify: &signature::ML_DSA_44,
    sign: &signature::ML_DSA_44_SIGNING,
};

static ML_DSA_65: ParameterSet = ParameterSet {
    expected: "an ML-DSA-65 key",
    identifier: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x12],
    public_bytes: 1952,
    verify: &signature::ML_DSA_65,
    sign: &signature::ML_DSA_65_SIGNING,
};

static ML_DSA_87: ParameterSet = ParameterSet {
    expected: "an ML-DSA-87 key",
    identifier: &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x13],
    public_bytes: 2592,
    verify: &signature::ML_DSA_87,
    sign: &signature::ML_DSA_87_SIGNING,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_registry_and_case_counts() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(*algorithm));
            assert_eq!(algorithm.to_string(), algorithm.name());
            assert_eq!(Algorithm::from_name(&algorithm.name().to_lowercase()), None);
        }
        assert_eq!(Algorithm::ALL.len(), 17);
        for name in [
            "", "none", "None", "NONE", "HS256 ", "RSA1_5", "ES256k", "HS1", "EdDSA\0", "Ed448",
            "ed25519", "ED25519", "Ed25519 ",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
    }
}
