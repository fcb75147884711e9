//! Seals bytes so that only the holder of a key can read them.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{Secret, random};

/// Seals `plain` with AES-256-GCM and appends it to `public`. Both `public` and `context` are
/// authenticated. The nonce is random, so a key may seal about 2^32 texts (NIST SP 800-38D section
/// 8.3). Returns `false` if sealing fails.
pub(crate) fn seal(
    key: &Secret<[u8; 32]>,
    context: &[u8],
    public: &mut Vec<u8>,
    mut plain: Vec<u8>,
) -> bool {
    let nonce = random::<NONCE_LEN>();
    let aad = Aad::from([context, public.as_slice()].concat());
    let sealed =
        cipher(key).seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut plain);
    if sealed.is_ok() {
        public.extend_from_slice(&nonce);
        public.extend_from_slice(&plain);
    }
    sealed.is_ok()
}

/// Opens what [`seal`] appended to `public`. Returns `None` if any of it was changed.
pub(crate) fn open(
    key: &Secret<[u8; 32]>,
    context: &[u8],
    public: &[u8],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let aad = Aad::from([context, public].concat());
    let mut body = body.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(key).open_in_place(nonce, aad, &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

/// The number of bytes that sealing adds.
#[cfg(any(test, feature = "session", feature = "otp"))]
pub(crate) const OVERHEAD: usize = NONCE_LEN + 16;

fn cipher(key: &Secret<[u8; 32]>) -> LessSafeKey {
    let key = UnboundKey::new(&aead::AES_256_GCM, key.expose());
    LessSafeKey::new(key.expect("an AES-256 key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_unchanged_or_not_at_all() {
        let key = Secret::new(random());
        let mut sealed = b"head".to_vec();
        assert!(seal(&key, b"context", &mut sealed, b"swordfish".to_vec()));
        assert_eq!(sealed.len(), 4 + 9 + OVERHEAD);
        let try_open =
            |key: &_, context: &[u8], sealed: &[u8]| open(key, context, &sealed[..4], &sealed[4..]);
        assert_eq!(try_open(&key, b"context", &sealed).unwrap(), b"swordfish");
        assert!(try_open(&Secret::new(random()), b"context", &sealed).is_none());
        assert!(try_open(&key, b"contexT", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(try_open(&key, b"context", &changed).is_none(), "byte {at}");
        }
        assert!(open(&key, b"context", b"head", b"short").is_none());
    }
}
