//! The signing half of a key: how it signs, and how it is exported.

use std::sync::Arc;

use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der},
    error::Unspecified,
    hmac,
    rand::SystemRandom,
    signature::{EcdsaKeyPair, Ed25519KeyPair, PqdsaKeyPair, RsaKeyPair, RsaSignatureEncoding},
};
use pem_rfc7468::LineEnding;
use zeroize::Zeroizing;

use super::{der, encoding::encode, private::PrivateMembers};
use crate::secret::Secret;

pub(super) enum Signer {
    /// The key for computing, and the secret as configured.
    Hmac(Arc<hmac::Key>, Secret<Vec<u8>>),
    Rsa(RsaKeyPair, &'static RsaSignatureEncoding),
    Ec(EcdsaKeyPair, Option<&'static [u8; 32]>),
    Ed25519(Ed25519KeyPair),
    /// A key pair that includes its seed.
    MlDsa(PqdsaKeyPair),
}

impl Signer {
    pub(super) fn sign(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), Unspecified> {
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

    /// Returns PKCS#8 (RFC 5208) in PEM, or `None` for a shared secret.
    pub(super) fn to_pkcs8_pem(&self) -> Option<Secret<String>> {
        let pem = |der: &[u8]| pem_rfc7468::encode_string("PRIVATE KEY", LineEnding::LF, der).ok();
        let text = match self {
            Self::Hmac(..) => None,
            Self::Rsa(pair, _) => pem(AsDer::<Pkcs8V1Der<'_>>::as_der(pair).ok()?.as_ref()),
            Self::Ec(pair, _) => pem(pair.to_pkcs8v1().ok()?.as_ref()),
            // Version 1: OpenSSL does not read version 2, which includes the public key.
            Self::Ed25519(pair) => pem(pair.to_pkcs8v1().ok()?.as_ref()),
            Self::MlDsa(pair) => pem(pair.to_pkcs8v1().ok()?.as_ref()),
        };
        text.map(Secret::new)
    }

    /// Returns the private members of the JWK.
    pub(super) fn private_members(&self) -> Option<PrivateMembers> {
        let one = |name, bytes: &[u8]| vec![(name, Zeroizing::new(encode(bytes)))];
        match self {
            Self::Hmac(_, secret) => Some(one("k", secret.expose())),
            Self::Rsa(pair, _) => {
                let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                let numbers = der::integers(der::private_key(document.as_ref())?)?;
                let (_, numbers) = numbers.split_first_chunk::<RSA_PUBLIC>()?;
                let members = RSA_PRIVATE.iter().zip(numbers);
                Some(
                    members
                        .flat_map(|(name, number)| one(name, number))
                        .collect(),
                )
            }
            Self::Ec(pair, _) => {
                let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().ok()?;
                Some(one("d", d.as_ref()))
            }
            Self::Ed25519(pair) => {
                let document = pair.to_pkcs8v1().ok()?;
                let seed = der::content(der::private_key(document.as_ref())?)?;
                Some(one("d", seed))
            }
            Self::MlDsa(pair) => {
                let document = pair.to_pkcs8v1().ok()?;
                let seed = der::content(der::private_key(document.as_ref())?)?;
                Some(one("priv", seed))
            }
        }
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

/// The number of integers of an `RSAPrivateKey` before the private ones: version, modulus and
/// public exponent (RFC 8017 appendix A.1.2).
const RSA_PUBLIC: usize = 3;

/// The integers that follow, by their names in RFC 7518 section 6.3.2.
const RSA_PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];
