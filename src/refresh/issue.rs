//! A login that gives a pair of tokens.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    account::{Account, Entry},
    engine::{Epoch, TokenPairs},
    fingerprint::Fingerprint,
    record::{Device, Hash},
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

/// A pair about to be issued; `.await` issues it. See [`TokenPairs::issue`].
#[must_use = "a login does nothing unless it is awaited"]
pub struct NewPair<'a, U> {
    pairs: &'a TokenPairs<U>,
    grant: Grant<U>,
    device_name: Option<String>,
    user_agent: Option<String>,
    fingerprint: Option<Fingerprint>,
    since: Option<Epoch>,
    key: Option<String>,
    source: EventSource,
}

impl<'a, U> NewPair<'a, U> {
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

    /// Names the device for the user's list, in at most 256 bytes.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.device_name = Some(name.into());
        self
    }

    /// Notes the `User-Agent` for the user's list; what is beyond 256 bytes is left out.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        let mut user_agent = user_agent.into();
        user_agent.truncate(user_agent.floor_char_boundary(MAX_NAME_BYTES));
        self.user_agent = Some(user_agent);
        self
    }

    /// Notes what the client says of itself, to be compared at each refresh.
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// Binds the device to a key: its access tokens are good only with a proof of it, and so is each refresh (RFC 9449
    /// sections 5 and 6.1).
    #[cfg(feature = "dpop")]
    pub fn bound_to(mut self, key: &ProofKey) -> Self {
        self.key = Some(key.thumbprint().to_owned());
        self
    }

    /// Says in events where the login came from. Nothing of it is stored.
    pub fn source(mut self, source: EventSource) -> Self {
        self.source = source;
        self
    }

    /// Comes to nothing if everything of the subject was ended since `epoch`. Default: since now.
    pub const fn since(mut self, epoch: Epoch) -> Self {
        self.since = Some(epoch);
        self
    }
}

impl<'a, U: Serialize + Send + Sync + 'static> IntoFuture for NewPair<'a, U> {
    type Output = Result<TokenPair, IssueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.enter())
    }
}

impl<U: Serialize + Send + Sync + 'static> NewPair<'_, U> {
    async fn enter(self) -> Result<TokenPair, IssueError> {
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
        let entry = swap(&inner.store, &*inner.clock, &key, |entry| {
            let account = pairs.account_to_replace(&key, entry);
            let mut account = account.unwrap_or_else(|| Account::new(subject));
            let now = inner.clock.now();
            let since = self.since.map(|epoch| epoch.id);
            let entry = account.enter(device.clone(), since, &inner.terms, now);
            Ok::<_, IssueError>(match entry {
                Entry::Entered { .. } => Step::Swap(pairs.write(&key, &account, now)?, entry),
                refused => Step::Keep(refused),
            })
        })
        .await?;
        match entry {
            Entry::Entered { evicted } => {
                for device in &evicted {
                    pairs.tell(EventKind::DeviceEvicted, subject, Some(device));
                }
                let event = pairs.event(EventKind::LoginSucceeded, subject, Some(&device));
                let event = event.with_source(self.source.clone());
                inner.events.tell(&event);
            }
            Entry::Withdrawn => return Err(IssueError::Withdrawn),
            Entry::Full => {
                pairs.tell(EventKind::TooManyDevices, subject, None);
                return Err(IssueError::TooManyDevices);
            }
        }
        pairs.pair(&key, family, &device, self.grant).await
    }

    fn device(&self, family: &Secret<[u8; FAMILY_BYTES]>, now: Timestamp) -> Device {
        let inner = &*self.pairs.inner;
        let proofs = self.grant.proofs(now).into_iter();
        let absolute_at = now.after(inner.terms.absolute);
        let fingerprints = inner.fingerprints.hash(self.fingerprint.as_ref());
        Device {
            public_id: secret::random(),
            family: Hash::of(family.expose()),
            generation: 0,
            kid: inner.keys.active(),
            rotated_at: now,
            rotated_on: inner.node,
            created_at: now,
            used_at: now,
            idle_at: now.after(inner.terms.idle).min(absolute_at),
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

impl<U> fmt::Debug for NewPair<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPair").finish_non_exhaustive()
    }
}

/// An access token and the refresh token that gets the next one.
///
/// It serialises as the answer of RFC 6749 section 5.1: `access_token`, `refresh_token`, `token_type` and
/// `expires_in` in seconds. Send that with `Cache-Control: no-store`.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenPair {
    /// For each request, in an `Authorization` header of the scheme [`token_type`](Self::token_type).
    pub access_token: Secret<String>,
    /// For the next pair, and for nothing else. Whoever has it has the login.
    pub refresh_token: Secret<String>,
    /// `Bearer`, or `DPoP` for a token that is bound to a key.
    pub token_type: &'static str,
    /// How long the access token lives.
    pub expires_in: Duration,
    /// The public id of the device.
    pub session_id: String,
    /// How long the login lives, however often it is refreshed.
    pub refresh_expires_in: Duration,
}

impl Serialize for TokenPair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_struct("TokenPair", 4)?;
        answer.serialize_field("access_token", self.access_token.expose())?;
        answer.serialize_field("refresh_token", self.refresh_token.expose())?;
        answer.serialize_field("token_type", self.token_type)?;
        answer.serialize_field("expires_in", &self.expires_in.as_secs())?;
        answer.end()
    }
}

/// Enough for what people and browsers call a device.
const MAX_NAME_BYTES: usize = 256;
