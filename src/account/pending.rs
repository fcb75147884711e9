//! A login that waits for its second factor.
//!
//! The pending login is stored under the hash of a random text and the issuer, and sealed with a
//! key of the master secret and the issuer. The text is all that its holder needs, and it is
//! accepted only by the second step. A party that can write to the store cannot create a pending
//! login, which would stand for the right password.

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{attempt::NewDevice, challenge::Challenge, proved::Epochs};
use crate::{
    clock::Timestamp,
    error::StoreError,
    identity::Factor,
    refresh::{self, Fingerprint},
    secret::{self, MasterSecret, Secret},
    session,
    store::{
        Namespace, Store, StoreKey, When, Write,
        sealed::{RecordKeys, UnsealError},
    },
    token::dpop::ProofKey,
};

/// The state of the login so far.
#[derive(Serialize, Deserialize)]
pub(super) struct PendingLogin {
    pub(super) subject: String,
    proofs: Vec<(String, Timestamp)>,
    pairs_epoch: (u64, Timestamp),
    sessions_epoch: Option<(u64, Timestamp)>,
    device_name: Option<String>,
    user_agent: Option<String>,
    fingerprint: Option<Value>,
    /// The thumbprint of the key that the login is bound to.
    #[serde(default)]
    pub(super) key: Option<String>,
    expires_at: Timestamp,
}

impl PendingLogin {
    pub(super) fn new(
        subject: &str,
        proofs: Vec<(Factor, Timestamp)>,
        epochs: Epochs,
        device: NewDevice,
        expires_at: Timestamp,
    ) -> Self {
        let proofs = proofs.into_iter();
        Self {
            subject: subject.to_owned(),
            proofs: proofs
                .map(|(factor, at)| (factor.as_amr().to_owned(), at))
                .collect(),
            pairs_epoch: (epochs.pairs.id, epochs.pairs.revoked_at),
            sessions_epoch: epochs
                .sessions
                .map(|epoch| (epoch.revocation, epoch.revoked_at)),
            device_name: device.name,
            user_agent: device.user_agent,
            fingerprint: device.fingerprint.map(|it| it.as_json()),
            key: None,
            expires_at,
        }
    }

    pub(super) fn bound_to(mut self, key: Option<ProofKey>) -> Self {
        self.key = key.map(|key| key.thumbprint().to_owned());
        self
    }

    pub(super) fn key(&self) -> Result<Option<ProofKey>, StoreError> {
        let key = self.key.as_deref().map(ProofKey::from_thumbprint);
        key.transpose()
            .map_err(|error| StoreError::Corrupt(error.into()))
    }

    pub(super) fn proofs(&self) -> impl Iterator<Item = (Factor, Timestamp)> {
        let proofs = self.proofs.iter();
        proofs.map(|(name, at)| (Factor::from_amr(name), *at))
    }

    pub(super) fn epochs(&self) -> Epochs {
        let (id, revoked_at) = self.pairs_epoch;
        let pairs = refresh::DeviceEpoch { id, revoked_at };
        let sessions = self
            .sessions_epoch
            .map(|(revocation, revoked_at)| session::SessionEpoch {
                revocation,
                revoked_at,
            });
        Epochs { pairs, sessions }
    }

    pub(super) fn device(&self) -> NewDevice {
        let fingerprint = self.fingerprint.as_ref();
        NewDevice {
            name: self.device_name.clone(),
            user_agent: self.user_agent.clone(),
            fingerprint: fingerprint.and_then(|value| Fingerprint::new(value).ok()),
        }
    }

    /// Stores the login and returns its challenge.
    pub(super) async fn store(
        &self,
        store: &dyn Store,
        keys: &ChallengeKeys,
    ) -> Result<Challenge, StoreError> {
        let text = Secret::new(URL_SAFE_NO_PAD.encode_to_string(secret::random::<32>()));
        let key = keys.key(text.expose());
        let plain = serde_json::to_vec(self).map_err(|error| StoreError::Corrupt(error.into()))?;
        let value = keys.records.seal(&key, vec![FORMAT], plain)?;
        let write = Write::new(value, self.expires_at);
        if store.put(&key, write, When::Absent).await? {
            Ok(Challenge(text))
        } else {
            let reason = "a random challenge already exists";
            Err(StoreError::Corrupt(reason.into()))
        }
    }

    /// Returns the login that a challenge stands for, if it is still pending at `now`. A record
    /// that cannot be opened was not written here and counts as absent, so the user starts again.
    pub(super) async fn find(
        store: &dyn Store,
        keys: &ChallengeKeys,
        challenge: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let key = keys.key(challenge);
        let Some(entry) = store.get(&key).await? else {
            return Ok(None);
        };
        let pending = match entry.value.split_at_checked(1) {
            Some((public @ [FORMAT], sealed)) => keys.records.open(&key, public, sealed),
            _ => Err(UnsealError::Damaged),
        };
        let pending = pending.and_then(|opened| {
            let pending = serde_json::from_slice::<Self>(&opened.plain);
            pending.map_err(|_| UnsealError::Damaged)
        });
        match pending {
            Ok(pending) => Ok((now < pending.expires_at).then_some(pending)),
            Err(unreadable) => {
                let reason = unreadable.reason();
                tracing::error!(
                    reason,
                    "a pending login cannot be opened and counts as absent"
                );
                Ok(None)
            }
        }
    }

    /// Removes the pending login. Returns `false` if another request has removed it.
    pub(super) async fn take(
        store: &dyn Store,
        keys: &ChallengeKeys,
        challenge: &str,
    ) -> Result<bool, StoreError> {
        Ok(store.take(&keys.key(challenge)).await?.is_some())
    }
}

/// The store keys of one issuer's pending logins, and the keys that seal them.
pub(super) struct ChallengeKeys {
    issuer: String,
    records: RecordKeys,
}

impl ChallengeKeys {
    pub(super) fn new(secret: &MasterSecret, issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            records: RecordKeys::new(secret, "tower-jam login challenge", issuer),
        }
    }

    fn key(&self, challenge: &str) -> StoreKey {
        let parts = [self.issuer.as_bytes(), challenge.as_bytes()];
        StoreKey::new(NAMESPACE, &parts)
    }
}

const NAMESPACE: Namespace = Namespace::new("login-challenge");
const FORMAT: u8 = 2;
