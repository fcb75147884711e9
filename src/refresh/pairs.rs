//! The engine for token pairs.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    access::AccessTokens,
    builder::TokenPairsBuilder,
    devices::DeviceRecord,
    exchange::exchange,
    fingerprint::Fingerprint,
    info::{DeviceEpoch, DeviceInfo},
    inner::TokenPairsInner,
    introspect::{TokenInfo, introspect, introspect_access, only_unavailable},
    issue::IssuePair,
    pair::TokenPair,
    policy::RevocationCheck,
    verify::verify,
};
#[cfg(feature = "dpop")]
use crate::token::dpop::ProofKey;
use crate::{
    authenticate::Verified,
    env::Env,
    error::StoreError,
    event::EventKind,
    grant::{Grant, ReadUser},
    identity::Identity,
    rejection::Rejection,
    store::{
        Store,
        swap::{Step, swap},
    },
    token::Claims,
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

impl<U: Send + Sync + 'static> TokenPairs<U> {
    /// Returns a builder of an engine. Its access tokens are those of `access`, a
    /// [`Jwt`](crate::Jwt) or a `Paseto`; its issuer must be that of `env`, and its clock is
    /// the clock of the pairs. Each refresh re-reads the user from `users`.
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
        let records = &self.inner.records;
        let token = self.inner.read(refresh_token)?;
        if self.inner.revocation == RevocationCheck::DangerousNone {
            return Ok(true);
        }
        let family = token.presented().family;
        let revoked = records
            .change(&token.record_key, |record, now| {
                if !records.is_at_own_key(record, &token.record_key) {
                    return None;
                }
                let device = record.revoke_family(&family, now);
                device.map(|device| (device, record.subject.clone()))
            })
            .await?;
        if let Some((device, subject)) = &revoked {
            records.emit(EventKind::DeviceRevoked, subject, Some(device));
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
        let records = &self.inner.records;
        let revoked = self.end_all(subject).await?;
        records.emit(EventKind::AllDevicesRevoked, subject, None);
        Ok(revoked)
    }

    /// Like [`revoke_all`](Self::revoke_all), but without an event, since the caller emits one.
    pub(crate) async fn end_all(&self, subject: &str) -> Result<usize, StoreError> {
        let records = &self.inner.records;
        let key = records.key(subject);
        swap(&records.store, &*records.clock, &key, |entry| {
            let record = records.decode_to_replace(&key, entry);
            let mut record = record.unwrap_or_else(|| DeviceRecord::new(subject));
            let now = records.clock.now();
            let revoked = record.live(now).count();
            record.revoke_all(now);
            Ok::<_, StoreError>(Step::Swap(records.write(&key, &record, now)?, revoked))
        })
        .await
    }

    /// Returns the devices on which `subject` is logged in, the most recently used first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn list(&self, subject: &str) -> Result<Vec<DeviceInfo>, StoreError> {
        let records = &self.inner.records;
        let Some(record) = records.read(&records.key(subject)).await? else {
            return Ok(Vec::new());
        };
        let now = records.clock.now();
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
        let records = &self.inner.records;
        let revoked = records
            .change(&records.key(subject), |record, now| record.revoke(id, now))
            .await?;
        if let Some(device) = &revoked {
            records.emit(EventKind::DeviceRevoked, subject, Some(device));
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
        let records = &self.inner.records;
        let token = self.inner.read(refresh_token)?;
        let subject = caller.subject().id();
        let own_id = caller.session_id().unwrap_or_default();
        let presented = token.presented();
        let policy = &self.inner.policy;
        let revoked = records
            .change(&token.record_key, |record, now| {
                let outages = records.store.outages();
                let moment = records.moment(now, &outages);
                if record.subject != subject || !records.is_at_own_key(record, &token.record_key) {
                    return None;
                }
                record.revoke_others(own_id, &presented, policy, moment)
            })
            .await?;
        let revoked = revoked.ok_or_else(|| {
            Rejection::invalid("not a current refresh token of the caller's device")
        })?;
        for device in &revoked {
            records.emit(EventKind::DeviceRevoked, subject, Some(device));
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
        let records = &self.inner.records;
        let key = records.key(subject);
        let entry = records.store.get(&key).await?;
        let record = records.decode_to_replace(&key, entry.as_ref());
        let record = record.unwrap_or_else(|| DeviceRecord::new(subject));
        Ok(DeviceEpoch {
            id: record.epoch,
            revoked_at: record.revoked_at,
        })
    }
}

impl<U: Serialize + Send + Sync + 'static> TokenPairs<U> {
    /// Logs the user of `grant` in on a new device.
    pub fn issue(&self, grant: Grant<U>) -> IssuePair<'_, U> {
        IssuePair::new(&self.inner, grant)
    }

    /// Exchanges a refresh token for a new pair. The user is re-read. The factors of the login keep
    /// their times.
    ///
    /// # Errors
    ///
    /// * [`RejectionKind::Invalid`](crate::RejectionKind) for a token that was not made here or was
    ///   replaced, whose device has expired or was revoked, whose user was deleted or may not log
    ///   in, whose fingerprint differs if that is rejected, or whose device is bound to a key.
    /// * `Unavailable` if a store does not answer. The token remains valid.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        fingerprint: Option<&Fingerprint>,
    ) -> Result<TokenPair, Rejection> {
        exchange(&self.inner, refresh_token, fingerprint, None).await
    }

    /// Like [`refresh`](Self::refresh), for a client that has proved to hold `key`. A device that
    /// is bound to a key requires it. See [`Dpop::verify`](crate::token::Dpop::verify).
    ///
    /// # Errors
    ///
    /// Those of [`refresh`](Self::refresh), and `Invalid` for a device that is bound to another
    /// key.
    #[cfg(feature = "dpop")]
    pub async fn refresh_bound(
        &self,
        refresh_token: &str,
        fingerprint: Option<&Fingerprint>,
        key: &ProofKey,
    ) -> Result<TokenPair, Rejection> {
        let key = Some(key.thumbprint());
        exchange(&self.inner, refresh_token, fingerprint, key).await
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> TokenPairs<U> {
    /// Verifies an access token, as the layer does.
    ///
    /// # Errors
    ///
    /// Those of [`Jwt::verify`](crate::Jwt::verify). With [`RevocationCheck::Both`] also
    /// [`RejectionKind::Invalid`](crate::RejectionKind) if the token's device was revoked, and
    /// `Unavailable` if the store does not answer.
    pub async fn verify(&self, access_token: &str) -> Result<Verified<U>, Rejection> {
        verify(&self.inner, access_token, None).await
    }

    /// Returns the description of an access or refresh token, or `None` if it is invalid for any
    /// reason. A caller that authenticates requests must check [`is_access`](TokenInfo::is_access),
    /// since a refresh token grants no access.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn introspect(&self, token: &str) -> Result<Option<TokenInfo>, StoreError> {
        introspect(&self.inner, token).await
    }

    /// Revokes the device of an access or refresh token. Returns `false` if the token is invalid.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn revoke_token(&self, token: &str) -> Result<bool, StoreError> {
        if self.inner.keys.decode(token).is_some() {
            return only_unavailable(self.logout(token).await).map(|revoked| revoked == Some(true));
        }
        let Some(info) = introspect_access(&self.inner, token).await? else {
            return Ok(false);
        };
        match &info.session_id {
            Some(id) => self.revoke(&info.subject, id).await,
            None => Ok(false),
        }
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
        &self.inner.records.issuer
    }

    /// The secret from which the keys of the issuer are derived.
    #[cfg(feature = "account")]
    pub(crate) fn secret(&self) -> &crate::secret::MasterSecret {
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
            .field("revocation", &self.inner.revocation)
            .field("store", &self.inner.records.cached)
            .finish_non_exhaustive()
    }
}
