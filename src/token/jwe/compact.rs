//! The compact serialization of RFC 7516: five parts, of which the first is authenticated together
//! with the content.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64_simd::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::{content::ContentKey, header::JweHeader, key::JweKey};
use crate::{
    error::IssueError,
    key::{encoding, ring::Ring},
    rejection::Rejection,
    secret,
    secret::Secret,
    token::MAX_BYTES,
};

/// Encrypts `signed` for the holder of `key`.
pub(super) fn seal(signed: &str, key: &JweKey) -> Result<String, IssueError> {
    let crypto = |_| IssueError::Crypto;
    let wrapped = key.wrap_content_key()?;
    let mut header = serde_json::json!({
        "alg": key.algorithm().name(), "cty": "JWT", "enc": ENCRYPTION, "kid": key.kid(),
    });
    if let Some(epk) = wrapped.epk {
        header["epk"] = epk;
    }
    let header = URL_SAFE_NO_PAD.encode_to_string(header.to_string());
    let nonce = secret::random::<NONCE_BYTES>();
    let mut content = Zeroizing::new(signed.as_bytes().to_vec());
    let tag = cipher(&wrapped.content)
        .map_err(crypto)?
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut content,
        )
        .map_err(crypto)?;
    let parts: [&[u8]; 4] = [&wrapped.encrypted, &nonce, &content, tag.as_ref()];
    let mut token = header;
    for part in parts {
        token.push('.');
        token.push_str(&encoding::encode(part));
    }
    if token.len() > MAX_BYTES {
        return Err(IssueError::TooLarge {
            bytes: token.len(),
            limit: MAX_BYTES,
        });
    }
    Ok(token)
}

/// Decrypts `token` with a key of `keys`, and returns the signed token inside.
pub(super) fn open(token: &str, keys: &Ring<JweKey>) -> Result<Secret<String>, Rejection> {
    let (content, is_nested) = decrypt(token, keys)?;
    match std::str::from_utf8(&content) {
        Ok(signed) if is_nested => Ok(Secret::new(signed.to_owned())),
        _ => Err(Rejection::invalid("the content is not a token")),
    }
}

/// Returns the content of `token`, and whether `cty` declares it to be a token.
pub(super) fn decrypt(
    token: &str,
    keys: &Ring<JweKey>,
) -> Result<(Zeroizing<Vec<u8>>, bool), Rejection> {
    if token.len() > MAX_BYTES {
        return Err(Rejection::invalid("the token is longer than 8 KiB"));
    }
    let parts: Vec<_> = token.splitn(6, '.').collect();
    let [header, encrypted, nonce, content, tag] = parts[..] else {
        return Err(Rejection::invalid("the token does not have five parts"));
    };
    let decoded = decode(header)?;
    let parsed_header = JweHeader::parse(&decoded)?;
    let key = keys.find(parsed_header.kid.as_deref());
    let key = key.ok_or_else(|| Rejection::invalid("no key of the ring has this kid"))?;
    // Both are fixed by the key; the header must match.
    if key.algorithm().name() != parsed_header.alg || parsed_header.enc != ENCRYPTION {
        let reason = "the token names another algorithm than its key";
        return Err(Rejection::invalid(reason));
    }
    let refuse = || Rejection::invalid("the token does not decrypt");
    let (nonce, tag) = (decode(nonce)?, decode(tag)?);
    let mut sealed = Zeroizing::new(decode(content)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce).map_err(|_| refuse())?;
    let content_key = key
        .unwrap_content_key(&parsed_header, &decode(encrypted)?)
        .ok_or_else(refuse)?;
    if tag.len() != AES_256_GCM.tag_len() {
        return Err(refuse());
    }
    sealed.extend_from_slice(&tag);
    let length = cipher(&content_key)
        .and_then(|key| {
            let opened = key.open_in_place(nonce, Aad::from(header.as_bytes()), &mut sealed)?;
            Ok(opened.len())
        })
        .map_err(|_| refuse())?;
    sealed.truncate(length);
    Ok((sealed, parsed_header.is_nested))
}

fn cipher(key: &ContentKey) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
    UnboundKey::new(&AES_256_GCM, key.as_slice()).map(LessSafeKey::new)
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    let decoded = URL_SAFE_NO_PAD.decode_to_vec(part);
    decoded.map_err(|_| Rejection::invalid("a part of the token is not base64url"))
}

/// The only content encryption (RFC 7518 section 5.3).
const ENCRYPTION: &str = "A256GCM";
const NONCE_BYTES: usize = 12;
