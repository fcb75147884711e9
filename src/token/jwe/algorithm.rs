//! The algorithms of encryption keys.

use std::fmt;

use crate::key::algorithm::Algorithm;

/// The key management algorithm (RFC 7518 section 4). The content encryption is always A256GCM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum JweAlgorithm {
    /// The content key is encrypted with an RSA key: OAEP with SHA-256 (section 4.3).
    RsaOaep256,
    /// The content key is agreed on directly with a key on P-256 (section 4.6) or X25519 (RFC 8037
    /// section 3.2). Keys on X25519 can only be read from JWKs.
    EcdhEs,
    /// The content key is wrapped with a shared secret of 256 bits (section 4.4).
    A256Kw,
}

impl JweAlgorithm {
    /// Returns the value of the `alg` parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::A256Kw => "A256KW",
        }
    }

    /// Returns the algorithm with this name. Names are case-sensitive.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let all = [Self::RsaOaep256, Self::EcdhEs, Self::A256Kw];
        all.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Returns the signature algorithm for the same type of key, so that its key checks apply here
    /// as well.
    pub(super) const fn signing_algorithm(self) -> Algorithm {
        match self {
            Self::RsaOaep256 => Algorithm::Rs256,
            Self::EcdhEs => Algorithm::Es256,
            Self::A256Kw => Algorithm::Hs256,
        }
    }
}

impl fmt::Display for JweAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
