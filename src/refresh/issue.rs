//! Issues a pair of tokens for a login.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    account::{DeviceRecord, LoginDecision},
    engine::{DeviceEpoch, TokenPairs},
    fingerprint::Fingerprint,
    record::{Hash256, StoredDevice},
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

/// A pair that is issued when awaited. See [`TokenPairs::issue`].
#[must_use = "a login does nothing unless it is awaited"]
pub struct IssuePair<'a, U> {
    pairs: &'a TokenPairs<U>,
    grant: Grant<U>,
    device_name: Option<String>,
    user_agent: Option<String>,
    fingerprint: Option<Fingerprint>,
    since: Option<DeviceEpoch>,
    key: Option<String>,
    source: EventSource,
}

impl<'a, U> IssuePair<'a, U> {
    pub(super) fn new(pairs: &'a TokenPairs<U>, grant: Grant<U>) -> Self {
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
        let (pairs, inner) = (self.pairs, &*self.pairs.inner);
        let family = Secret::new(secret::random::<FAMILY_BYTES>());
        let device = self.device(&family, inner.clock.now());
        let subject = self.grant.subject();
        let key = pairs.key(subject);
        let decision = swap(&inner.store, &*inner.clock, &key, |entry| {
            let record = pairs.record_to_replace(&key, entry);
            let mut record = record.unwrap_or_else(|| DeviceRecord::new(subject));
            let now = inner.clock.now();
            let since = self.since.map(|epoch| epoch.id);
            let decision = record.add(device.clone(), since, &inner.policy, now);
            Ok::<_, IssueError>(match decision {
                LoginDecision::Admitted { .. } => {
                    Step::Swap(pairs.write(&key, &record, now)?, decision)
                }
                rejected => Step::Keep(rejected),
            })
        })
        .await?;
        match decision {
            LoginDecision::Admitted { evicted } => {
                for device in &evicted {
                    pairs.emit(EventKind::DeviceEvicted, subject, Some(device));
                }
                let event = pairs.event(EventKind::LoginSucceeded, subject, Some(&device));
                let event = event.with_source(self.source.clone());
                inner.events.tell(&event);
            }
            LoginDecision::Withdrawn => return Err(IssueError::Withdrawn),
            LoginDecision::Full => {
                pairs.emit(EventKind::TooManyDevices, subject, None);
                return Err(IssueError::TooManyDevices);
            }
        }
        pairs.pair(&key, family, &device, self.grant).await
    }

    fn device(&self, family: &Secret<[u8; FAMILY_BYTES]>, now: Timestamp) -> StoredDevice {
        let inner = &*self.pairs.inner;
        let proofs = self.grant.proofs(now).into_iter();
        let absolute_at = now.after(inner.policy.absolute);
        let fingerprints = inner.fingerprints.hash(self.fingerprint.as_ref());
        StoredDevice {
            public_id: secret::random(),
            family: Hash256::of(family.expose()),
            generation: 0,
            kid: inner.keys.active(),
            rotated_at: now,
            rotated_on: inner.node,
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

/// An access token and a refresh token for the next pair.
///
/// It serialises as the response of RFC 6749 section 5.1: `access_token`, `refresh_token`,
/// `token_type` and `expires_in` in seconds. Send it with `Cache-Control: no-store`.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// The access token, for an `Authorization` header of the scheme
    /// [`token_type`](Self::token_type).
    pub access_token: Secret<String>,
    /// The refresh token, which is valid only for the next pair. It grants the login to its holder.
    pub refresh_token: Secret<String>,
    /// `Bearer`, or `DPoP` for a token that is bound to a key.
    pub token_type: &'static str,
    /// The lifetime of the access token.
    pub expires_in: Duration,
    /// The public id of the device.
    pub session_id: String,
    /// The remaining lifetime of the device, regardless of refreshes.
    pub refresh_expires_in: Duration,
}

impl Serialize for TokenPair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut response = serializer.serialize_struct("TokenPair", 4)?;
        response.serialize_field("access_token", self.access_token.expose())?;
        response.serialize_field("refresh_token", self.refresh_token.expose())?;
        response.serialize_field("token_type", self.token_type)?;
        response.serialize_field("expires_in", &self.expires_in.as_secs())?;
        response.end()
    }
}

/// Sufficient for names that users and browsers give to a device.
const MAX_NAME_BYTES: usize = 256;
