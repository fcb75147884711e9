//! Exports the private half of a key as PKCS#8 or JWK.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, Pkcs8V1Der};
use pem_rfc7468::LineEnding;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{der, jwk, material::Signer};
use crate::secret::Secret;

/// The private members of a JWK. They are wiped on drop.
pub(crate) type PrivateMembers = Vec<(&'static str, Zeroizing<String>)>;

impl Signer {
    /// Returns PKCS#8 (RFC 5208) in PEM, or `None` for a shared secret.
    pub(crate) fn to_pkcs8_pem(&self) -> Option<Secret<String>> {
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
    pub(crate) fn private_members(&self) -> Option<PrivateMembers> {
        let one = |name, bytes: &[u8]| vec![(name, Zeroizing::new(jwk::encode(bytes)))];
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

/// Writes a JWK with these members. With `signs_only`, its `key_ops` permits only signing.
pub(crate) fn jwk(
    public: &[(&str, &str)],
    private: &PrivateMembers,
    signs_only: bool,
) -> Option<Secret<String>> {
    let private = private.iter().map(|(name, value)| (*name, value.as_str()));
    let texts = public.iter().copied().chain(private);
    let mut members: BTreeMap<_, _> = texts
        .map(|(name, text)| (name, Member::Text(text)))
        .collect();
    if signs_only {
        members.insert("key_ops", Member::List(&["sign"]));
    }
    // Large enough to never reallocate, which would leave an unwiped copy behind.
    let length = members
        .iter()
        .map(|(name, member)| name.len() + 6 + 2 * member.len());
    let mut json = Vec::with_capacity(2 + length.sum::<usize>());
    serde_json::to_writer(&mut json, &members).ok()?;
    String::from_utf8(json).ok().map(Secret::new)
}

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Text(&'a str),
    List(&'a [&'a str]),
}

impl Member<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(texts) => texts.iter().map(|text| text.len() + 3).sum(),
        }
    }
}

/// The number of integers of an `RSAPrivateKey` before the private ones: version, modulus and
/// public exponent (RFC 8017 appendix A.1.2).
const RSA_PUBLIC: usize = 3;

/// The integers that follow, by their names in RFC 7518 section 6.3.2.
const RSA_PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];
