//! Seals records so that only this application can write them. Each record is bound to its store
//! key.
//!
//! ```text
//! public part ‖ key id (4 bytes) ‖ nonce (12) ‖ sealed part ‖ tag (16)
//! ```
//!
//! The cipher is AES-256-GCM-SIV (RFC 8452) under a key of the master secret and the issuer. The
//! store key, the public part and the key id are associated data, so a party that can write to the
//! store can delete a record or restore an older one, but can neither forge nor move one.
//! GCM-SIV is used because a key seals many records with random nonces: a repeated nonce reveals
//! only whether two records are equal.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::StoreKey;
use crate::{
    error::StoreError,
    secret::{MasterSecret, Secret, derive_key, random},
};

/// The keys of one kind of record under one issuer. The first one seals, all of them open.
pub(crate) struct RecordKeys(Vec<RecordKey>);

struct RecordKey {
    id: [u8; ID_BYTES],
    cipher: LessSafeKey,
}

/// An opened record.
pub(crate) struct OpenedRecord {
    pub(crate) plain: Zeroizing<Vec<u8>>,
    /// Whether the record is sealed under the active key.
    #[cfg_attr(
        not(any(test, feature = "account")),
        expect(dead_code, reason = "accounts seal their records again")
    )]
    pub(crate) is_current: bool,
}

/// The reason why a record does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnsealError {
    /// It is sealed under an unknown key: of a retired secret, or of another application.
    UnknownKey,
    /// It was changed, or moved to another store key.
    Damaged,
}

impl RecordKeys {
    /// Derives the keys for the records named by `label`.
    pub(crate) fn new(secret: &MasterSecret, label: &str, issuer: &str) -> Self {
        let keys = secret.keys(label, issuer);
        Self(keys.iter().map(RecordKey::new).collect())
    }

    /// Appends the sealed `plain` to `public`.
    pub(crate) fn seal(
        &self,
        key: &StoreKey,
        mut public: Vec<u8>,
        mut plain: Vec<u8>,
    ) -> Result<Vec<u8>, StoreError> {
        let RecordKey { id, cipher } = &self.0[0];
        let aad = associated_data(key, &public, *id);
        let nonce = random::<NONCE_LEN>();
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut plain)
            .map_err(|_| StoreError::Corrupt("a record could not be sealed".into()))?;
        public.extend_from_slice(id);
        public.extend_from_slice(&nonce);
        public.extend_from_slice(&plain);
        Ok(public)
    }

    /// Opens what [`seal`](Self::seal) appended to `public`.
    pub(crate) fn open(
        &self,
        key: &StoreKey,
        public: &[u8],
        sealed: &[u8],
    ) -> Result<OpenedRecord, UnsealError> {
        let (id, sealed) = sealed
            .split_first_chunk::<ID_BYTES>()
            .ok_or(UnsealError::Damaged)?;
        let (nonce, body) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(UnsealError::Damaged)?;
        let at = self.0.iter().position(|candidate| candidate.id == *id);
        let at = at.ok_or(UnsealError::UnknownKey)?;
        let aad = associated_data(key, public, *id);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut plain = Zeroizing::new(body.to_vec());
        let opened = self.0[at].cipher.open_in_place(nonce, aad, &mut plain);
        let length = opened.map_err(|_| UnsealError::Damaged)?.len();
        plain.truncate(length);
        Ok(OpenedRecord {
            plain,
            is_current: at == 0,
        })
    }
}

/// The associated data: the store key, the public part and the key id. A namespace contains no NUL.
fn associated_data(key: &StoreKey, public: &[u8], id: [u8; ID_BYTES]) -> Aad<Vec<u8>> {
    let namespace = key.namespace().as_bytes();
    Aad::from([namespace, b"\0", key.digest(), public, &id].concat())
}

impl RecordKey {
    fn new(key: &Secret<[u8; 32]>) -> Self {
        let id = derive_key(key.expose(), "tower-jam record key id");
        let [a, b, c, d, ..] = *id.expose();
        let cipher = UnboundKey::new(&aead::AES_256_GCM_SIV, key.expose());
        let cipher = cipher.expect("an AES-256 key has 32 bytes");
        Self {
            id: [a, b, c, d],
            cipher: LessSafeKey::new(cipher),
        }
    }
}

impl UnsealError {
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::UnknownKey => "it is sealed under a secret that is not accepted",
            Self::Damaged => "it was damaged, forged or moved",
        }
    }
}

impl From<UnsealError> for StoreError {
    fn from(error: UnsealError) -> Self {
        Self::Corrupt(error.reason().into())
    }
}

const ID_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &MasterSecret) -> RecordKeys {
        RecordKeys::new(secret, "test", "https://auth.acme.dev")
    }

    fn store_key(name: &str) -> StoreKey {
        StoreKey::new("account", &[name.as_bytes()])
    }

    #[test]
    fn a_record_opens_unchanged_in_its_own_place_or_not_at_all() {
        let keys = keys(&MasterSecret::generate());
        let here = store_key("here");
        let value = keys
            .seal(&here, b"head".to_vec(), b"body".to_vec())
            .unwrap();
        let open = |key: &StoreKey, value: &[u8]| keys.open(key, &value[..4], &value[4..]);
        let opened = open(&here, &value).unwrap();
        assert_eq!(&*opened.plain, b"body");
        assert!(opened.is_current);
        assert!(open(&store_key("there"), &value).is_err(), "moved");
        let other = StoreKey::new("session", &[b"here"]);
        assert!(open(&other, &value).is_err(), "moved to another namespace");
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert!(open(&here, &changed).is_err(), "byte {at}");
        }
        for length in 4..value.len() {
            assert!(open(&here, &value[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_issuer_label_or_secret_is_an_unknown_key() {
        let secret = MasterSecret::generate();
        let here = store_key("here");
        let value = keys(&secret).seal(&here, Vec::new(), b"body".to_vec());
        let value = value.unwrap();
        for other in [
            RecordKeys::new(&secret, "test", "https://auth.acme.dev/"),
            RecordKeys::new(&secret, "tes", "https://auth.acme.dev"),
            keys(&MasterSecret::generate()),
        ] {
            let opened = other.open(&here, &[], &value).map(drop);
            assert_eq!(opened.unwrap_err(), UnsealError::UnknownKey);
        }
    }

    #[test]
    fn an_accepted_secret_opens_and_the_active_one_seals() {
        let old = MasterSecret::generate();
        let (old_keys, new_keys) = (keys(&old), keys(&MasterSecret::generate().accept(&old)));
        let here = store_key("here");
        let value = old_keys.seal(&here, Vec::new(), b"body".to_vec()).unwrap();
        assert!(!new_keys.open(&here, &[], &value).unwrap().is_current);
        let value = new_keys.seal(&here, Vec::new(), b"body".to_vec()).unwrap();
        assert!(new_keys.open(&here, &[], &value).unwrap().is_current);
        assert!(old_keys.open(&here, &[], &value).is_err());
    }
}
