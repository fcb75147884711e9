//! A login that waits for its second factor.
//!
//! What is known of it so far is stored under the hash of a random text, and sealed under a key that follows from it. So the
//! text is all that its holder needs, opens nothing but the second step, and cannot be made out of the store.

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attempt::NewDevice;
#[cfg(feature = "dpop")]
use crate::token::dpop::ProofKey;
use crate::{
    clock::Timestamp,
    error::StoreError,
    identity::Factor,
    refresh::{self, Fingerprint},
    secret::{self, Secret, derive_key, seal},
    session,
    store::{Key, Namespace, Store, Version, When, Write},
};

/// What `/login` answers when a one-time code is due: with it and a code, the second step makes the login. It is a secret,
/// good for a few minutes and for one login, and for nothing else.
#[derive(Clone)]
pub struct Challenge(Secret<String>);

impl Challenge {
    /// The text to send to whoever logs in, without anybody else seeing it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// What is known of the login.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) subject: String,
    proofs: Vec<(String, Timestamp)>,
    pairs_epoch: u64,
    has_sessions: bool,
    sessions_epoch: Option<u64>,
    device_name: Option<String>,
    user_agent: Option<String>,
    fingerprint: Option<Value>,
    /// The thumbprint of the key that the login is bound to.
    #[serde(default)]
    pub(super) key: Option<String>,
    expires_at: Timestamp,
}

impl Waiting {
    pub(super) fn new(
        subject: &str,
        proofs: Vec<(Factor, Timestamp)>,
        (pairs, sessions): (refresh::Epoch, Option<session::Epoch>),
        device: NewDevice,
        expires_at: Timestamp,
    ) -> Self {
        let proofs = proofs.into_iter();
        Self {
            subject: subject.to_owned(),
            proofs: proofs
                .map(|(factor, at)| (factor.as_amr().to_owned(), at))
                .collect(),
            pairs_epoch: pairs.0,
            has_sessions: sessions.is_some(),
            sessions_epoch: sessions.and_then(|epoch| epoch.0).map(Version::as_u64),
            device_name: device.name,
            user_agent: device.user_agent,
            fingerprint: device.fingerprint.map(|it| it.as_json()),
            key: None,
            expires_at,
        }
    }

    #[cfg(feature = "dpop")]
    pub(super) fn bound_to(mut self, key: Option<ProofKey>) -> Self {
        self.key = key.map(|key| key.thumbprint().to_owned());
        self
    }

    #[cfg(feature = "dpop")]
    pub(super) fn key(&self) -> Result<Option<ProofKey>, StoreError> {
        let key = self.key.as_deref().map(ProofKey::from_thumbprint);
        key.transpose()
            .map_err(|error| StoreError::Corrupt(error.into()))
    }

    pub(super) fn proofs(&self) -> impl Iterator<Item = (Factor, Timestamp)> {
        let proofs = self.proofs.iter();
        proofs.map(|(name, at)| (Factor::from_amr(name), *at))
    }

    pub(super) fn epochs(&self) -> (refresh::Epoch, Option<session::Epoch>) {
        let sessions = session::Epoch(self.sessions_epoch.map(Version::from_stored));
        let sessions = self.has_sessions.then_some(sessions);
        (refresh::Epoch(self.pairs_epoch), sessions)
    }

    pub(super) fn device(&self) -> NewDevice {
        let fingerprint = self.fingerprint.as_ref();
        NewDevice {
            name: self.device_name.clone(),
            user_agent: self.user_agent.clone(),
            fingerprint: fingerprint.and_then(|value| Fingerprint::new(value).ok()),
        }
    }

    /// Stores the login, and returns what leads to it.
    pub(super) async fn store(&self, store: &dyn Store) -> Result<Challenge, StoreError> {
        let text = Secret::new(URL_SAFE_NO_PAD.encode_to_string(secret::random::<32>()));
        let key = key(text.expose());
        let plain = serde_json::to_vec(self).map_err(|error| StoreError::Corrupt(error.into()))?;
        let mut value = vec![FORMAT];
        if !seal::seal(&sealing(text.expose()), key.digest(), &mut value, plain) {
            return Err(StoreError::Corrupt("it could not be sealed".into()));
        }
        let write = Write::new(value, self.expires_at);
        match store.put(&key, write, When::Absent).await? {
            true => Ok(Challenge(text)),
            false => Err(StoreError::Corrupt("256 random bits were taken".into())),
        }
    }

    /// The login that a challenge is for, if it still waits at `now`.
    pub(super) async fn find(
        store: &dyn Store,
        challenge: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let key = key(challenge);
        let Some(entry) = store.get(&key).await? else {
            return Ok(None);
        };
        let corrupt = || StoreError::Corrupt("not a login that waits".into());
        let (head, sealed) = entry.value.split_at_checked(1).ok_or_else(corrupt)?;
        let plain = seal::open(&sealing(challenge), key.digest(), head, sealed);
        let waiting: Self =
            serde_json::from_slice(&plain.ok_or_else(corrupt)?).map_err(|_| corrupt())?;
        Ok((now < waiting.expires_at).then_some(waiting))
    }

    /// Ends the wait; `false` if another login has ended it.
    pub(super) async fn take(store: &dyn Store, challenge: &str) -> Result<bool, StoreError> {
        Ok(store.take(&key(challenge)).await?.is_some())
    }
}

fn key(challenge: &str) -> Key {
    Key::new(NAMESPACE, &[challenge.as_bytes()])
}

fn sealing(challenge: &str) -> Secret<[u8; 32]> {
    derive_key(challenge.as_bytes(), "tower-jam login challenge")
}

const NAMESPACE: Namespace = Namespace::new("login-challenge");
const FORMAT: u8 = 1;
