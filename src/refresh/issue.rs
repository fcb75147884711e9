//! Issues a pair of tokens for a login.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use serde::Serialize;

use super::{
    device::{Hash256, StoredDevice},
    devices::{DeviceRecord, LoginDecision},
    fingerprint::Fingerprint,
    info::DeviceEpoch,
    inner::TokenPairsInner,
    pair::{TokenPair, pair},
    token::FAMILY_BYTES,
};
#[cfg(feature = "dpop")]
use crate::token::dpop::ProofKey;
use crate::{
    clock::Timestamp,
    error::IssueError,
    event::{EventKind, EventSource},
    grant::Grant,
    secret::{self, Secret},
    store::swap::{Step, swap},
};

/// A pair that is issued when awaited. See [`TokenPairs::issue`](super::TokenPairs::issue).
#[must_use = "a login does nothing unless it is awaited"]
pub struct IssuePair<'a, U> {
    pairs: &'a TokenPairsInner<U>,
    grant: Grant<U>,
    device_name: Option<String>,
    user_agent: Option<String>,
    fingerprint: Option<Fingerprint>,
    since: Option<DeviceEpoch>,
    key: Option<String>,
    source: EventSource,
}

impl<'a, U> IssuePair<'a, U> {
    pub(super) fn new(pairs: &'a TokenPairsInner<U>, grant: Grant<U>) -> Self {
        Self {
            pairs,
            grant,
            device_name: None,
            user_agent: None,
            fingerprint: None,
            since: None,
            key: None,
            source: EventSource::default(),
        }
    }

    /// Sets the name of the device in the user's list, at most 256 bytes.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }

    /// Sets the `User-Agent` in the user's list, which is truncated to 256 bytes.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        let mut user_agent = user_agent.into();
        user_agent.truncate(user_agent.floor_char_boundary(MAX_NAME_BYTES));
        self.user_agent = Some(user_agent);
        self
    }

    /// Sets the fingerprint of the client, which each refresh compares.
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// Binds the device to a key. Its access tokens, and each refresh, then require a proof of the
    /// key (RFC 9449 sections 5 and 6.1).
    #[cfg(feature = "dpop")]
    pub fn bound_to(mut self, key: &ProofKey) -> Self {
        self.key = Some(key.thumbprint().to_owned());
        self
    }

    /// Sets the source of the login for events. It is not stored.
    pub fn source(mut self, source: EventSource) -> Self {
        self.source = source;
        self
    }

    /// Makes the login fail if all devices of the subject were revoked after `epoch` was read.
    /// Default: after the login started.
    pub const fn since(mut self, epoch: DeviceEpoch) -> Self {
        self.since = Some(epoch);
        self
    }
}

impl<'a, U: Serialize + Send + Sync + 'static> IntoFuture for IssuePair<'a, U> {
    type Output = Result<TokenPair, IssueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.issue())
    }
}

impl<U: Serialize + Send + Sync + 'static> IssuePair<'_, U> {
    async fn issue(self) -> Result<TokenPair, IssueError> {
        self.grant.check()?;
        let too_long = |name: &String| name.len() > MAX_NAME_BYTES;
        if self.device_name.as_ref().is_some_and(too_long) {
            return Err(IssueError::Grant(
                "the device's name has more than 256 bytes",
            ));
        }
        let (pairs, records) = (self.pairs, &self.pairs.records);
        let family = Secret::new(secret::random::<FAMILY_BYTES>());
        let device = self.device(&family, records.clock.now());
        let subject = self.grant.subject();
        let key = records.key(subject);
        let decision = swap(&records.store, &*records.clock, &key, |entry| {
            let record = records.decode_to_replace(&key, entry);
            let mut record = record.unwrap_or_else(|| DeviceRecord::new(subject));
            let now = records.clock.now();
            let since = self.since.map(|epoch| epoch.id);
            let decision = record.add(device.clone(), since, &pairs.policy, now);
            Ok::<_, IssueError>(match decision {
                LoginDecision::Admitted { .. } => {
                    Step::Swap(records.write(&key, &record, now)?, decision)
                }
                rejected => Step::Keep(rejected),
            })
        })
        .await?;
        match decision {
            LoginDecision::Admitted { evicted } => {
                for device in &evicted {
                    records.emit(EventKind::DeviceEvicted, subject, Some(device));
                }
                let event = records.event(EventKind::LoginSucceeded, subject, Some(&device));
                let event = event.with_source(self.source.clone());
                records.events.tell(&event);
            }
            LoginDecision::Withdrawn => return Err(IssueError::Withdrawn),
            LoginDecision::Full => {
                records.emit(EventKind::TooManyDevices, subject, None);
                return Err(IssueError::TooManyDevices);
            }
        }
        pair(pairs, &key, family, &device, self.grant).await
    }

    fn device(&self, family: &Secret<[u8; FAMILY_BYTES]>, now: Timestamp) -> StoredDevice {
        let inner = self.pairs;
        let proofs = self.grant.proofs(now).into_iter();
        let absolute_at = now.after(inner.policy.absolute);
        let fingerprints = inner.fingerprints.hash(self.fingerprint.as_ref());
        StoredDevice {
            public_id: secret::random(),
            family: Hash256::of(family.expose()),
            generation: 0,
            kid: inner.keys.active(),
            rotated_at: now,
            rotated_on: inner.records.node,
            created_at: now,
            used_at: now,
            idle_at: now.after(inner.policy.idle).min(absolute_at),
            absolute_at,
            proofs: proofs
                .map(|(factor, at)| (factor.as_amr().to_owned(), at))
                .collect(),
            name: self.device_name.clone(),
            user_agent: self.user_agent.clone(),
            fingerprint: fingerprints.first().copied(),
            rotated_by: None,
            key: self.key.clone(),
        }
    }
}

impl<U> fmt::Debug for IssuePair<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuePair").finish_non_exhaustive()
    }
}

/// Sufficient for names that users and browsers give to a device.
const MAX_NAME_BYTES: usize = 256;
