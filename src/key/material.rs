//! The parts of a key: how it verifies, how it signs, and its public members.

use std::sync::Arc;

use aws_lc_rs::{
    error::Unspecified,
    hmac,
    rand::SystemRandom,
    signature::{
        EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, PqdsaKeyPair, RsaKeyPair,
        RsaSignatureEncoding,
    },
};

use crate::{key::jwk, secret::Secret};

/// The parts of a key that was read, before it has an id.
pub(crate) struct KeyParts {
    pub(crate) thumbprint: String,
    /// The public members of the JWK, sorted by name. A shared secret has none.
    pub(crate) members: Option<PublicMembers>,
    pub(crate) verifying_key: VerifyingKey,
    pub(crate) signer: Option<Signer>,
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

    pub(crate) fn with_signer(self, signer: Signer) -> Self {
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
    jwk::thumbprint(&required)
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

pub(crate) enum Signer {
    /// The key for computing, and the secret as configured.
    Hmac(Arc<hmac::Key>, Secret<Vec<u8>>),
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding),
    Ec(EcdsaKeyPair, Option<&'static [u8; 32]>),
    Ed25519(Ed25519KeyPair),
    /// A key pair that includes its seed.
    MlDsa(PqdsaKeyPair),
}

impl Signer {
    pub(crate) fn sign(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(key, _) => {
                let mut tag = [0; LONGEST_HMAC_TAG];
                out.extend_from_slice(hmac::sign_to_buffer(key, message, &mut tag)?);
            }
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                out.append(&mut signature);
            }
            Self::Ec(pair, order) => {
                let start = out.len();
                out.extend_from_slice(pair.sign(&random, message)?.as_ref());
                if let Some(order) = order {
                    let middle = start + (out.len() - start) / 2;
                    use_lower_s(&mut out[middle..], order);
                }
            }
            Self::Ed25519(pair) => out.extend_from_slice(pair.try_sign(message)?.as_ref()),
            Self::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(message, &mut signature)?;
                out.append(&mut signature);
            }
        }
        Ok(())
    }
}

/// Replaces s by the lower of s and n − s. Both verify, but the library produces either, and
/// Bitcoin software rejects the higher one (BIP 146).
fn use_lower_s(s: &mut [u8], order: &[u8; 32]) {
    let mut other = *order;
    let mut borrow = false;
    for (digit, taken) in other.iter_mut().zip(s.iter()).rev() {
        let (rest, is_below) = digit.overflowing_sub(*taken);
        let (rest, is_below_then) = rest.overflowing_sub(borrow.into());
        (*digit, borrow) = (rest, is_below || is_below_then);
    }
    if other.as_slice() < &*s {
        s.copy_from_slice(&other);
    }
}

const LONGEST_HMAC_TAG: usize = 64;
