//! Encryption of version 3, built from primitives of aws-lc-rs as the specification says
//! (Version3.md, "Encrypt").

use aws_lc_rs::{
    cipher::{
        AES_256, AES_CTR_IV_LEN, DecryptingKey, DecryptionContext, EncryptingKey,
        EncryptionContext, UnboundCipherKey,
    },
    error::Unspecified,
    hkdf, hmac,
    iv::FixedLength,
};
use base64_simd::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::version::{
    LOCAL_KEY_BYTES, Local, V3,
    sealed::{Cipher, SharedKey},
};
use crate::{
    error::IssueError,
    secret::{self, Secret},
};

impl Cipher<V3> for Local {
    const HEADER: &'static str = "v3.local.";
    const VERSION: u8 = 3;
    type Material = Secret<[u8; LOCAL_KEY_BYTES]>;

    fn seal(
        key: &Self::Material,
        payload: &[u8],
        footer: &[u8],
        assertion: &[u8],
    ) -> Result<String, IssueError> {
        let nonce = secret::random();
        seal_with(key, &nonce, payload, footer, assertion).map_err(|_| IssueError::Crypto)
    }

    fn open(key: &Self::Material, token: &str, footer: &[u8], assertion: &[u8]) -> Option<Vec<u8>> {
        let body = token.strip_prefix(<Self as Cipher<V3>>::HEADER)?;
        let body = body.split_once('.').map_or(body, |(body, _)| body);
        let body = URL_SAFE_NO_PAD.decode_to_vec(body).ok()?;
        let (nonce, rest) = body.split_first_chunk::<NONCE_BYTES>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let keys = DerivedKeys::new(key, nonce).ok()?;
        let authenticated = keys.authenticated(nonce, ciphertext, footer, assertion);
        // Nothing is decrypted before it is authenticated.
        hmac::verify(&keys.authentication, &authenticated, tag).ok()?;
        let mut payload = ciphertext.to_vec();
        keys.decrypt(&mut payload).ok()?;
        Some(payload)
    }
}

impl SharedKey<V3> for Local {
    fn material(key: &[u8; LOCAL_KEY_BYTES]) -> Option<Self::Material> {
        Some(Secret::new(*key))
    }
}

/// Encrypts `payload` with a nonce that no other token of the key may have.
pub(super) fn seal_with(
    key: &Secret<[u8; LOCAL_KEY_BYTES]>,
    nonce: &[u8; NONCE_BYTES],
    payload: &[u8],
    footer: &[u8],
    assertion: &[u8],
) -> Result<String, Unspecified> {
    let keys = DerivedKeys::new(key, nonce)?;
    let mut body = nonce.to_vec();
    body.extend_from_slice(payload);
    keys.encrypt(&mut body[NONCE_BYTES..])?;
    let authenticated = keys.authenticated(nonce, &body[NONCE_BYTES..], footer, assertion);
    body.extend_from_slice(hmac::sign(&keys.authentication, &authenticated).as_ref());
    let mut token = <Local as Cipher<V3>>::HEADER.to_owned();
    token.push_str(&URL_SAFE_NO_PAD.encode_to_string(body));
    if !footer.is_empty() {
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode_to_string(footer));
    }
    Ok(token)
}

/// The keys of one token.
struct DerivedKeys {
    encryption: Zeroizing<[u8; 32]>,
    counter: [u8; AES_CTR_IV_LEN],
    authentication: hmac::Key,
}

impl DerivedKeys {
    fn new(key: &Secret<[u8; LOCAL_KEY_BYTES]>, nonce: &[u8]) -> Result<Self, Unspecified> {
        let derived = derive(key, b"paseto-encryption-key", nonce)?;
        let (encryption, counter) = derived.split_at(32);
        let mut keys = Self {
            encryption: Zeroizing::new([0; 32]),
            counter: [0; AES_CTR_IV_LEN],
            authentication: hmac::Key::new(
                hmac::HMAC_SHA384,
                &*derive(key, b"paseto-auth-key-for-aead", nonce)?,
            ),
        };
        keys.encryption.copy_from_slice(encryption);
        keys.counter.copy_from_slice(counter);
        Ok(keys)
    }

    fn encrypt(&self, text: &mut [u8]) -> Result<(), Unspecified> {
        let key = UnboundCipherKey::new(&AES_256, &*self.encryption)?;
        let context = EncryptionContext::Iv128(FixedLength::from(self.counter));
        EncryptingKey::ctr(key)?.less_safe_encrypt(text, context)?;
        Ok(())
    }

    fn decrypt(&self, text: &mut [u8]) -> Result<(), Unspecified> {
        let key = UnboundCipherKey::new(&AES_256, &*self.encryption)?;
        let context = DecryptionContext::Iv128(FixedLength::from(self.counter));
        DecryptingKey::ctr(key)?.decrypt(text, context)?;
        Ok(())
    }

    fn authenticated(&self, nonce: &[u8], text: &[u8], footer: &[u8], assertion: &[u8]) -> Vec<u8> {
        let header = <Local as Cipher<V3>>::HEADER.as_bytes();
        pae(&[header, nonce, text, footer, assertion])
    }
}

/// Derives 48 bytes with HKDF-SHA-384 without a salt: the key is uniformly random.
fn derive(
    key: &Secret<[u8; LOCAL_KEY_BYTES]>,
    label: &[u8],
    nonce: &[u8],
) -> Result<Zeroizing<[u8; 48]>, Unspecified> {
    let mut derived = Zeroizing::new([0; 48]);
    hkdf::Salt::new(hkdf::HKDF_SHA384, &[])
        .extract(key.expose())
        .expand(&[label, nonce], hkdf::HKDF_SHA384)?
        .fill(&mut *derived)?;
    Ok(derived)
}

/// The pre-authentication encoding (PAE) of the specification (Common.md): no two lists of pieces
/// have the same encoding.
fn pae(pieces: &[&[u8]]) -> Vec<u8> {
    let length = |length: usize| (length as u64 & (u64::MAX >> 1)).to_le_bytes();
    let mut encoded = length(pieces.len()).to_vec();
    for piece in pieces {
        encoded.extend_from_slice(&length(piece.len()));
        encoded.extend_from_slice(piece);
    }
    encoded
}

const NONCE_BYTES: usize = 32;
const TAG_BYTES: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Common.md.
    #[test]
    fn pieces_are_encoded_with_their_number_and_lengths() {
        assert_eq!(pae(&[]), [0; 8]);
        assert_eq!(pae(&[b""]), [&[1][..], &[0; 15]].concat());
        let test = [&[1][..], &[0; 7], &[4], &[0; 7], b"test"].concat();
        assert_eq!(pae(&[b"test"]), test);
    }
}
