//! The engine for token pairs.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::{
    access::AccessTokens,
    account::{DevicePolicy, DeviceRecord, Moment},
    builder::{RevocationCheck, TokenPairsBuilder},
    fingerprint::FingerprintKeys,
    info::DeviceInfo,
    issue::IssuePair,
    outages::{Outage, WatchedStore},
    record::StoredDevice,
    token::{RefreshToken, TokenKeys},
};
use crate::{
    clock::{Clock, Timestamp},
    env::Env,
    error::StoreError,
    event::{Event, EventKind, Events},
    grant::{Grant, ReadUser},
    identity::Identity,
    rejection::Rejection,
    secret::{MasterSecret, record::RecordKeys},
    store::{
        Store, StoreKey,
        swap::{Step, swap},
    },
    token::{Claims, Engine},
};

/// Issues pairs of access and refresh tokens, exchanges them, and revokes devices.
///
/// This type is a handle; cloning it is cheap. See the [module](super) for the rules.
///
/// ```
/// use tower_jam::{Claims, Grant, TokenPairs};
///
/// # async fn run(pairs: TokenPairs<Claims>) -> Result<(), Box<dyn std::error::Error>> {
/// let pair = pairs.issue(Grant::new("42", Claims::new())).device_name("Phone").await?;
/// let next = pairs.refresh(pair.refresh_token.expose(), None).await?;
/// assert!(pairs.verify(next.access_token.expose()).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[doc(alias("refresh token", "device", "rotation", "remember me"))]
pub struct TokenPairs<U = Claims> {
    pub(super) inner: Arc<TokenPairsInner<U>>,
}

pub(super) struct TokenPairsInner<U> {
    pub(super) access: Engine<U>,
    pub(super) store: WatchedStore,
    /// The store for requests with access tokens, which is not watched for outages.
    pub(super) cached: Arc<dyn Store>,
    /// A random id of this engine, which distinguishes its clock from that of other nodes.
    pub(super) node: u64,
    pub(super) users: Arc<dyn ReadUser<U>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(super) issuer: String,
    pub(super) keys: TokenKeys,
    pub(super) records: RecordKeys,
    #[cfg(feature = "account")]
    pub(super) secret: MasterSecret,
    pub(super) fingerprints: FingerprintKeys,
    pub(super) policy: DevicePolicy,
    pub(super) blacklist: RevocationCheck,
    pub(super) events: Events,
}

impl<U> TokenPairsInner<U> {
    pub(super) const fn moment<'a>(&self, now: Timestamp, outages: &'a [Outage]) -> Moment<'a> {
        Moment {
            now,
            node: self.node,
            outages,
        }
    }
}

/// Identifies the last "log out everywhere" of a subject. See [`TokenPairs::epoch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceEpoch {
    pub(crate) id: u64,
    pub(crate) revoked_at: Timestamp,
}

impl<U: Send + Sync + 'static> TokenPairs<U> {
    /// Returns a builder of an engine. Its access tokens are those of `access`, a
    /// [`Jwt`](crate::Jwt) or a `Paseto`; its records are stored in `store`; the keys of its
    /// refresh tokens are derived from `secret`; and each refresh re-reads the user from `users`.
    pub fn builder(
        env: &Env,
        access: impl Into<AccessTokens<U>>,
        users: impl ReadUser<U>,
    ) -> TokenPairsBuilder<U> {
        TokenPairsBuilder::new(env, access.into().0, Arc::new(users))
    }

    /// Revokes the device of `refresh_token`, which may have been replaced long ago. Returns
    /// `false` if the device had already expired or been revoked.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind) for a token that was not made here, and
    /// `Unavailable` if the store does not answer.
    pub async fn logout(&self, refresh_token: &str) -> Result<bool, Rejection> {
        let token = self.read(refresh_token)?;
        if self.inner.blacklist == RevocationCheck::DangerousNone {
            return Ok(true);
        }
        let family = token.presented().family;
        let revoked = self
            .change(&token.record_key, |record, now| {
                if !self.is_at_own_key(record, &token.record_key) {
                    return None;
                }
                let device = record.revoke_family(&family, now);
                device.map(|device| (device, record.subject.clone()))
            })
            .await?;
        if let Some((device, subject)) = &revoked {
            self.emit(EventKind::DeviceRevoked, subject, Some(device));
        }
        Ok(revoked.is_some())
    }

    /// Revokes every device of `subject` and returns their number. Logins in progress fail.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    #[doc(alias("logout", "log out everywhere"))]
    pub async fn revoke_all(&self, subject: &str) -> Result<usize, StoreError> {
        let revoked = self.end_all(subject).await?;
        self.emit(EventKind::AllDevicesRevoked, subject, None);
        Ok(revoked)
    }

    /// Like [`revoke_all`](Self::revoke_all), but without an event, since the caller emits one.
    pub(crate) async fn end_all(&self, subject: &str) -> Result<usize, StoreError> {
        let key = self.key(subject);
        swap(&self.inner.store, &*self.inner.clock, &key, |entry| {
            let record = self.record_to_replace(&key, entry);
            let mut record = record.unwrap_or_else(|| DeviceRecord::new(subject));
            let now = self.inner.clock.now();
            let revoked = record.live(now).count();
            record.revoke_all(now);
            Ok::<_, StoreError>(Step::Swap(self.write(&key, &record, now)?, revoked))
        })
        .await
    }

    /// Returns the devices on which `subject` is logged in, the most recently used first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn list(&self, subject: &str) -> Result<Vec<DeviceInfo>, StoreError> {
        let Some(record) = self.read_record(&self.key(subject)).await? else {
            return Ok(Vec::new());
        };
        let now = self.inner.clock.now();
        let mut devices: Vec<_> = record.live(now).map(DeviceInfo::new).collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.last_used_at));
        Ok(devices)
    }

    /// Revokes the device of `subject` with this public id. Returns `false` if there is no such
    /// device.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn revoke(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        let revoked = self
            .change(&self.key(subject), |record, now| record.revoke(id, now))
            .await?;
        if let Some(device) = &revoked {
            self.emit(EventKind::DeviceRevoked, subject, Some(device));
        }
        Ok(revoked.is_some())
    }

    /// Revokes every device of the caller except that of `refresh_token`, and returns their number.
    /// The token must be the current one of the device that the caller's access token belongs to.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind) if it is not, in which case nothing
    /// changes, and `Unavailable` if the store does not answer.
    pub async fn revoke_others(
        &self,
        caller: &Identity,
        refresh_token: &str,
    ) -> Result<usize, Rejection> {
        let token = self.read(refresh_token)?;
        let subject = caller.subject().id();
        let own_id = caller.session_id().unwrap_or_default();
        let presented = token.presented();
        let policy = &self.inner.policy;
        let revoked = self
            .change(&token.record_key, |record, now| {
                let outages = self.inner.store.outages();
                let moment = self.inner.moment(now, &outages);
                if record.subject != subject || !self.is_at_own_key(record, &token.record_key) {
                    return None;
                }
                record.revoke_others(own_id, &presented, policy, moment)
            })
            .await?;
        let revoked = revoked.ok_or_else(|| {
            Rejection::invalid("not a current refresh token of the caller's device")
        })?;
        for device in &revoked {
            self.emit(EventKind::DeviceRevoked, subject, Some(device));
        }
        Ok(revoked.len())
    }

    /// Returns the current epoch of `subject`, which a "log out everywhere" changes. Read it before
    /// the password check and pass it to the login, so that a login that began before a
    /// [`revoke_all`](Self::revoke_all) fails.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn epoch(&self, subject: &str) -> Result<DeviceEpoch, StoreError> {
        let key = self.key(subject);
        let entry = self.inner.store.get(&key).await?;
        let record = self.record_to_replace(&key, entry.as_ref());
        let record = record.unwrap_or_else(|| DeviceRecord::new(subject));
        Ok(DeviceEpoch {
            id: record.epoch,
            revoked_at: record.revoked_at,
        })
    }

    /// Changes an existing record. `None` from `edit` leaves it unchanged.
    async fn change<T>(
        &self,
        key: &StoreKey,
        mut edit: impl FnMut(&mut DeviceRecord, Timestamp) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let inner = &*self.inner;
        swap(&inner.store, &*inner.clock, key, |entry| {
            let Some(mut record) = self.decode_record(key, entry)? else {
                return Ok(Step::Keep(None));
            };
            let now = inner.clock.now();
            match edit(&mut record, now) {
                Some(answer) => Ok(Step::Swap(self.write(key, &record, now)?, Some(answer))),
                None => Ok(Step::Keep(None)),
            }
        })
        .await
    }

    pub(super) fn read(&self, refresh_token: &str) -> Result<RefreshToken, Rejection> {
        self.inner
            .keys
            .decode(refresh_token)
            .ok_or_else(|| Rejection::invalid("not a refresh token of this service"))
    }

    pub(super) fn key(&self, subject: &str) -> StoreKey {
        StoreKey::new(
            super::NAMESPACE,
            &[self.inner.issuer.as_bytes(), subject.as_bytes()],
        )
    }

    pub(super) fn emit(&self, kind: EventKind, subject: &str, device: Option<&StoredDevice>) {
        self.inner.events.tell(&self.event(kind, subject, device));
    }

    pub(super) fn event(
        &self,
        kind: EventKind,
        subject: &str,
        device: Option<&StoredDevice>,
    ) -> Event {
        let mut event = Event::new(kind, self.inner.clock.now()).of(subject);
        event.session_id = device.map(StoredDevice::id);
        event
    }
}

impl<U: Serialize + Send + Sync + 'static> TokenPairs<U> {
    /// Logs the user of `grant` in on a new device.
    pub fn issue(&self, grant: Grant<U>) -> IssuePair<'_, U> {
        IssuePair::new(self, grant)
    }
}

impl<U> TokenPairs<U> {
    /// Whether this text is a refresh token that was made here, even if its device was revoked.
    #[cfg(feature = "account")]
    pub(crate) fn is_ours(&self, token: &str) -> bool {
        self.inner.keys.decode(token).is_some()
    }

    /// Returns the issuer of the access tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The secret from which the keys of the issuer are derived.
    #[cfg(feature = "account")]
    pub(crate) fn secret(&self) -> &MasterSecret {
        &self.inner.secret
    }

    pub(super) fn new(inner: TokenPairsInner<U>) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl<U> Clone for TokenPairs<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<U> fmt::Debug for TokenPairs<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPairs")
            .field("policy", &self.inner.policy)
            .field("blacklist", &self.inner.blacklist)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}
