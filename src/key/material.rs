//! The parts of a key: how it verifies, how it signs, and its public members.

use std::sync::Arc;

use aws_lc_rs::{hmac, signature::ParsedPublicKey};

use super::{encoding, signer::Signer};

/// The parts of a key that was read, before it has an id.
pub(crate) struct KeyParts {
    pub(crate) thumbprint: String,
    /// The public members of the JWK, sorted by name. A shared secret has none.
    pub(crate) members: Option<PublicMembers>,
    pub(crate) verifying_key: VerifyingKey,
    pub(super) signer: Option<Signer>,
}

pub(crate) type PublicMembers = Vec<(&'static str, String)>;

impl KeyParts {
    pub(crate) fn public(members: PublicMembers, key: ParsedPublicKey) -> Self {
        Self {
            thumbprint: thumbprint(&members),
            members: Some(members),
            verifying_key: VerifyingKey::Public(key),
            signer: None,
        }
    }

    /// The parts of a key that neither signs nor verifies.
    #[cfg(feature = "jwe")]
    pub(crate) fn non_signing(members: PublicMembers) -> Self {
        Self {
            thumbprint: thumbprint(&members),
            members: Some(members),
            verifying_key: VerifyingKey::Never,
            signer: None,
        }
    }

    pub(super) fn with_signer(self, signer: Signer) -> Self {
        Self {
            signer: Some(signer),
            ..self
        }
    }
}

fn thumbprint(members: &PublicMembers) -> String {
    let required: Vec<_> = members
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    encoding::thumbprint(&required)
}

pub(crate) enum VerifyingKey {
    Hmac(Arc<hmac::Key>),
    Public(ParsedPublicKey),
    Never,
}

impl VerifyingKey {
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Never => false,
        }
    }
}
