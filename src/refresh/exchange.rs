//! A refresh token for the next pair.

use std::time::Duration;

use serde::Serialize;

use super::{
    account::Turn,
    engine::TokenPairs,
    fingerprint::Fingerprint,
    issue::TokenPair,
    record::Device,
    token::{FAMILY_BYTES, RefreshToken},
};
#[cfg(feature = "dpop")]
use crate::token::dpop::ProofKey;
use crate::{
    error::{IssueError, StoreError},
    event::EventKind,
    grant::Grant,
    rejection::Rejection,
    secret::Secret,
    store::{
        Key,
        swap::{Step, swap},
    },
};

impl<U: Serialize + Send + Sync + 'static> TokenPairs<U> {
    /// Exchanges a refresh token for a new pair. The user is read anew; what was proved at the login, and when,
    /// stays.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] for a token that is not ours, that was replaced, whose device has ended, whose user is
    /// gone or may not log in, that comes with another fingerprint where that is refused, or whose device is bound to a key. An unavailable one when a
    /// store does not answer; the token is then still good.
    pub async fn refresh(
        &self,
        refresh_token: &str,
        fingerprint: Option<&Fingerprint>,
    ) -> Result<TokenPair, Rejection> {
        self.exchange(refresh_token, fingerprint, None).await
    }

    /// The same by whoever has proved to hold `key`: the only way for a device that is bound to it. See
    /// [`Dpop::verify`](crate::token::Dpop::verify).
    ///
    /// # Errors
    ///
    /// Those of [`refresh`](Self::refresh), and an invalid [`Rejection`] for a device that is bound to another key.
    #[cfg(feature = "dpop")]
    pub async fn refresh_bound(
        &self,
        refresh_token: &str,
        fingerprint: Option<&Fingerprint>,
        key: &ProofKey,
    ) -> Result<TokenPair, Rejection> {
        let key = Some(key.thumbprint());
        self.exchange(refresh_token, fingerprint, key).await
    }

    async fn exchange(
        &self,
        refresh_token: &str,
        fingerprint: Option<&Fingerprint>,
        key: Option<&str>,
    ) -> Result<TokenPair, Rejection> {
        let inner = &*self.inner;
        let token = self.read(refresh_token)?;
        let gone = || Rejection::invalid("the device has ended");
        let account = self.read_account(&token.account).await?;
        let account = account.filter(|account| self.is_of(account, &token.account));
        let subject = account.ok_or_else(gone)?.subject;
        // Before anything is changed: a user table that is away costs nobody a token.
        let user = inner.users.read_user(&subject).await?;
        let user = user.ok_or_else(|| Rejection::invalid("the user may not log in any more"))?;
        if user.subject() != subject {
            return Err(Rejection::misconfigured(
                "a user was read with another subject than asked for",
            ));
        }
        let turn = self.turn(&token, fingerprint, key).await?;
        self.told_of(&turn, &subject);
        let device = match turn {
            Turn::Rotated { device, .. } | Turn::Repeated { device } => device,
            Turn::Late => return Err(Rejection::invalid("a refresh token that was replaced")),
            Turn::Foreign { .. } => return Err(Rejection::invalid("another fingerprint")),
            Turn::Reused { .. } => return Err(Rejection::invalid("a refresh token used again")),
            Turn::Ahead { .. } => return Err(Rejection::invalid("a refresh token never recorded")),
            Turn::Unproved => return Err(Rejection::invalid("no proof of the device's key")),
            Turn::Gone => return Err(gone()),
        };
        Ok(self
            .pair(&token.account, token.family, &device, user)
            .await?)
    }

    async fn turn(
        &self,
        token: &RefreshToken,
        fingerprint: Option<&Fingerprint>,
        key: Option<&str>,
    ) -> Result<Turn, StoreError> {
        let inner = &*self.inner;
        let mut presented = token.presented();
        presented.key = key.map(str::to_owned);
        let fingerprints = inner.fingerprints.hash(fingerprint);
        swap(&inner.store, &*inner.clock, &token.account, |entry| {
            let Some(mut account) = self.account(&token.account, entry)? else {
                return Ok(Step::Keep(Turn::Gone));
            };
            let now = inner.clock.now();
            let outages = inner.store.outages();
            let moment = inner.moment(now, &outages);
            let kid = inner.keys.active();
            let turn = account.turn(&presented, &fingerprints, kid, &inner.terms, moment);
            Ok::<_, StoreError>(match turn {
                Turn::Rotated { .. } | Turn::Reused { .. } | Turn::Ahead { .. } => {
                    Step::Swap(self.write(&token.account, &account, now)?, turn)
                }
                turn => Step::Keep(turn),
            })
        })
        .await
    }

    fn told_of(&self, turn: &Turn, subject: &str) {
        match turn {
            Turn::Rotated { device, is_foreign } => {
                if *is_foreign {
                    self.tell(EventKind::FingerprintChanged, subject, Some(device));
                }
                self.tell(EventKind::Refreshed, subject, Some(device));
            }
            Turn::Foreign { device } => {
                self.tell(EventKind::FingerprintChanged, subject, Some(device));
            }
            Turn::Reused { device } => self.tell(EventKind::ReuseDetected, subject, Some(device)),
            Turn::Ahead { device } => self.tell(EventKind::StateLost, subject, Some(device)),
            Turn::Repeated { .. } | Turn::Late | Turn::Unproved | Turn::Gone => {}
        }
    }

    /// Mints the pair for a device as it is recorded.
    pub(super) async fn pair(
        &self,
        account: &Key,
        family: Secret<[u8; FAMILY_BYTES]>,
        device: &Device,
        user: Grant<U>,
    ) -> Result<TokenPair, IssueError> {
        let inner = &*self.inner;
        let token = RefreshToken {
            account: account.clone(),
            family,
            generation: device.generation,
        };
        // A secret that is being rotated reaches one node before the other.
        let refresh_token = inner.keys.encode(&token, device.kid).ok_or_else(|| {
            let reason = "another node made the token with a secret that is not here yet";
            StoreError::Unavailable(reason.into())
        })?;
        let mut grant = user;
        grant.factors = device
            .proofs()
            .map(|(factor, at)| (factor, Some(at)))
            .collect();
        let refresh_expires_in = device.absolute_at.since(inner.clock.now());
        let expires_in = inner.access.ttl().min(refresh_expires_in.max(A_SECOND));
        let access = inner.access.issue(grant).session_id(device.id());
        let access = access.confirmed_by(device.key.clone());
        let access = access.with_authority_of_grant();
        let token_type = match device.key {
            Some(_) => "DPoP",
            None => "Bearer",
        };
        let access_token = access.ttl(expires_in).await?;
        Ok(TokenPair {
            access_token,
            refresh_token,
            token_type,
            expires_in,
            session_id: device.id(),
            refresh_expires_in,
        })
    }
}

/// The shortest life that a token can state.
const A_SECOND: Duration = Duration::from_secs(1);
