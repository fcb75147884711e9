//! What a key is made of: how it verifies, how it signs, and what may be told of it.

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    error::Unspecified,
    hmac,
    rand::SystemRandom,
    signature::{EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, RsaKeyPair, RsaSignatureEncoding},
};
use pem_rfc7468::LineEnding;

use crate::{secret::Secret, token::jwk};

/// What a reader of keys found, before it has an id.
pub(super) struct Parts {
    pub(super) thumbprint: String,
    /// The public members of its JWK in the order of their names; a shared secret has none.
    pub(super) members: Option<Members>,
    pub(super) check: Check,
    pub(super) signer: Option<Signer>,
}

pub(super) type Members = Vec<(&'static str, String)>;

impl Parts {
    pub(super) fn public(members: Members, key: ParsedPublicKey) -> Self {
        let required: Vec<_> = members
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Self {
            thumbprint: jwk::thumbprint(&required),
            members: Some(members),
            check: Check::Public(key),
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

pub(super) enum Check {
    Hmac(Arc<hmac::Key>),
    Public(ParsedPublicKey),
    Never,
}

impl Check {
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Never => false,
        }
    }
}

pub(super) enum Signer {
    Hmac(Arc<hmac::Key>),
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn sign(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Hmac(key) => {
                let mut tag = [0; LONGEST_TAG];
                out.extend_from_slice(hmac::sign_to_buffer(key, message, &mut tag)?);
            }
            Self::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)?;
                out.append(&mut signature);
            }
            Self::Ec(pair) => out.extend_from_slice(pair.sign(&random, message)?.as_ref()),
            Self::Ed25519(pair) => out.extend_from_slice(pair.try_sign(message)?.as_ref()),
        }
        Ok(())
    }

    pub(super) fn to_pkcs8_pem(&self) -> Option<Secret<String>> {
        let pem = |der: &[u8]| pem_rfc7468::encode_string("PRIVATE KEY", LineEnding::LF, der).ok();
        let text = match self {
            Self::Hmac(_) => None,
            Self::Rsa(pair, _) => pem(AsDer::<Pkcs8V1Der<'_>>::as_der(pair).ok()?.as_ref()),
            Self::Ec(pair) => pem(pair.to_pkcs8v1().ok()?.as_ref()),
            // Version 1, which OpenSSL reads, unlike version 2 with the public key beside it.
            Self::Ed25519(pair) => pem(pair.to_pkcs8v1().ok()?.as_ref()),
        };
        text.map(Secret::new)
    }
}

const LONGEST_TAG: usize = 64;
