//! The engine for token pairs.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::{
    access::AccessTokens,
    account::{Account, Moment, Terms},
    builder::{Blacklist, TokenPairsBuilder},
    fingerprint::FingerprintKeys,
    info::DeviceInfo,
    issue::NewPair,
    outages::{Outage, WatchedStore},
    record::Device,
    token::{RefreshToken, TokenKeys},
};
use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    event::{Event, EventKind, Events},
    grant::{Grant, ReadUser},
    identity::Identity,
    rejection::Rejection,
    secret::{MasterSecret, record::RecordKeys},
    store::{
        Key, Store,
        swap::{Step, swap},
    },
    token::{Claims, Engine},
};

/// Issues access tokens with refresh tokens, exchanges them, and ends them.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
pub struct TokenPairs<U = Claims> {
    pub(super) inner: Arc<Inner<U>>,
}

pub(super) struct Inner<U> {
    pub(super) access: Engine<U>,
    pub(super) store: WatchedStore,
    /// What requests with access tokens read from, without being watched.
    pub(super) cached: Arc<dyn Store>,
    /// Drawn for this engine, to tell its clock from that of another node.
    pub(super) node: u64,
    pub(super) users: Arc<dyn ReadUser<U>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(super) issuer: String,
    pub(super) keys: TokenKeys,
    pub(super) records: RecordKeys,
    #[cfg(feature = "account")]
    pub(super) secret: MasterSecret,
    pub(super) fingerprints: FingerprintKeys,
    pub(super) terms: Terms,
    pub(super) blacklist: Blacklist,
    pub(super) events: Events,
}

impl<U> Inner<U> {
    pub(super) const fn moment<'a>(&self, now: Timestamp, outages: &'a [Outage]) -> Moment<'a> {
        Moment {
            now,
            node: self.node,
            outages,
        }
    }
}

/// Which "log out everywhere" a login has seen. See [`TokenPairs::epoch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epoch {
    pub(crate) id: u64,
    pub(crate) revoked_at: Timestamp,
}

impl<U: Send + Sync + 'static> TokenPairs<U> {
    /// An engine whose access tokens are those of `access`, a [`Jwt`](crate::Jwt) or a `Paseto`, whose records are in `store`, whose refresh tokens are made with
    /// keys from `secret`, and which reads a user anew from `users` at each refresh.
    pub fn builder(
        access: impl Into<AccessTokens<U>>,
        store: Arc<dyn Store>,
        secret: &MasterSecret,
        users: impl ReadUser<U>,
    ) -> TokenPairsBuilder<U> {
        TokenPairsBuilder::new(access.into().0, store, secret, Arc::new(users))
    }

    /// Ends the device that `refresh_token` is for, be it a token that was replaced long ago; `false` if it had
    /// ended before.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] for a token that was not made here, an unavailable one when the store does not
    /// answer.
    pub async fn logout(&self, refresh_token: &str) -> Result<bool, Rejection> {
        let token = self.read(refresh_token)?;
        if self.inner.blacklist == Blacklist::DangerousNone {
            return Ok(true);
        }
        let family = token.presented().family;
        let ended = self
            .change(&token.account, |account, now| {
                if !self.is_of(account, &token.account) {
                    return None;
                }
                let device = account.leave(&family, now);
                device.map(|device| (device, account.subject.clone()))
            })
            .await?;
        if let Some((device, subject)) = &ended {
            self.tell(EventKind::SessionEnded, subject, Some(device));
        }
        Ok(ended.is_some())
    }

    /// Ends every device of `subject`, logins under way included, and returns how many there were.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn logout_all(&self, subject: &str) -> Result<usize, StoreError> {
        let ended = self.end_all(subject).await?;
        self.tell(EventKind::AllSessionsEnded, subject, None);
        Ok(ended)
    }

    /// The same, as a part of something else that tells of it.
    pub(crate) async fn end_all(&self, subject: &str) -> Result<usize, StoreError> {
        let key = self.key(subject);
        swap(&self.inner.store, &*self.inner.clock, &key, |entry| {
            let account = self.account_to_replace(&key, entry);
            let mut account = account.unwrap_or_else(|| Account::new(subject));
            let now = self.inner.clock.now();
            let ended = account.live(now).count();
            account.clear(now);
            Ok::<_, StoreError>(Step::Swap(self.write(&key, &account, now)?, ended))
        })
        .await
    }

    /// The devices on which `subject` is logged in, the most recently used first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn active_sessions(&self, subject: &str) -> Result<Vec<DeviceInfo>, StoreError> {
        let Some(account) = self.read_account(&self.key(subject)).await? else {
            return Ok(Vec::new());
        };
        let now = self.inner.clock.now();
        let mut devices: Vec<_> = account.live(now).map(DeviceInfo::new).collect();
        devices.sort_by_key(|device| std::cmp::Reverse(device.last_used_at));
        Ok(devices)
    }

    /// Ends the device of `subject` with this public id; `false` if the subject has none such.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn revoke(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        let ended = self
            .change(&self.key(subject), |account, now| account.end(id, now))
            .await?;
        if let Some(device) = &ended {
            self.tell(EventKind::SessionEnded, subject, Some(device));
        }
        Ok(ended.is_some())
    }

    /// Ends every device of the caller but the one that `refresh_token` is for, and returns how many there
    /// were. The token must be the current one of the very device that the caller's access token is for.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`], with nothing changed, when it is not; an unavailable one when the store does not
    /// answer.
    pub async fn revoke_other(
        &self,
        caller: &Identity,
        refresh_token: &str,
    ) -> Result<usize, Rejection> {
        let token = self.read(refresh_token)?;
        let subject = caller.subject().id();
        let own = caller.session_id().unwrap_or_default();
        let presented = token.presented();
        let terms = &self.inner.terms;
        let ended = self
            .change(&token.account, |account, now| {
                let outages = self.inner.store.outages();
                let moment = self.inner.moment(now, &outages);
                if account.subject != subject || !self.is_of(account, &token.account) {
                    return None;
                }
                account.end_others(own, &presented, terms, moment)
            })
            .await?;
        let ended = ended.ok_or_else(|| Rejection::invalid("not the caller's refresh token"))?;
        for device in &ended {
            self.tell(EventKind::SessionEnded, subject, Some(device));
        }
        Ok(ended.len())
    }

    /// Notes which "log out everywhere" `subject` has seen. Take it before the password is looked at and hand it
    /// to the login: one that began before a [`logout_all`](Self::logout_all) then comes to nothing.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn epoch(&self, subject: &str) -> Result<Epoch, StoreError> {
        let key = self.key(subject);
        let entry = self.inner.store.get(&key).await?;
        let account = self.account_to_replace(&key, entry.as_ref());
        let account = account.unwrap_or_else(|| Account::new(subject));
        Ok(Epoch {
            id: account.epoch,
            revoked_at: account.revoked_at,
        })
    }

    /// Changes an account that is there; `None` of `edit` leaves it as it is.
    async fn change<T>(
        &self,
        key: &Key,
        mut edit: impl FnMut(&mut Account, Timestamp) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let inner = &*self.inner;
        swap(&inner.store, &*inner.clock, key, |entry| {
            let Some(mut account) = self.account(key, entry)? else {
                return Ok(Step::Keep(None));
            };
            let now = inner.clock.now();
            match edit(&mut account, now) {
                Some(answer) => Ok(Step::Swap(self.write(key, &account, now)?, Some(answer))),
                None => Ok(Step::Keep(None)),
            }
        })
        .await
    }

    pub(super) fn read(&self, refresh_token: &str) -> Result<RefreshToken, Rejection> {
        self.inner
            .keys
            .decode(refresh_token)
            .ok_or_else(|| Rejection::invalid("not a refresh token of ours"))
    }

    pub(super) fn key(&self, subject: &str) -> Key {
        Key::new(
            super::NAMESPACE,
            &[self.inner.issuer.as_bytes(), subject.as_bytes()],
        )
    }

    pub(super) fn tell(&self, kind: EventKind, subject: &str, device: Option<&Device>) {
        self.inner.events.tell(&self.event(kind, subject, device));
    }

    pub(super) fn event(&self, kind: EventKind, subject: &str, device: Option<&Device>) -> Event {
        let mut event = Event::new(kind, self.inner.clock.now()).of(subject);
        event.session_id = device.map(Device::id);
        event
    }
}

impl<U: Serialize + Send + Sync + 'static> TokenPairs<U> {
    /// Logs `grant` in on a new device.
    pub fn issue(&self, grant: Grant<U>) -> NewPair<'_, U> {
        NewPair::new(self, grant)
    }
}

impl<U> TokenPairs<U> {
    /// Whether this text is a refresh token that was made here, be it of a device that has ended.
    #[cfg(all(feature = "account", feature = "dpop"))]
    pub(crate) fn is_ours(&self, token: &str) -> bool {
        self.inner.keys.decode(token).is_some()
    }

    /// The issuer of the access tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The secret that the keys of the issuer follow from.
    #[cfg(feature = "account")]
    pub(crate) fn secret(&self) -> &MasterSecret {
        &self.inner.secret
    }

    pub(super) fn new(inner: Inner<U>) -> Self {
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
            .field("terms", &self.inner.terms)
            .field("blacklist", &self.inner.blacklist)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}
