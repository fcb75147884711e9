//! Exchanges a refresh token for the next pair.

use std::time::Duration;

use serde::Serialize;

use super::{
    account::RefreshDecision,
    engine::TokenPairs,
    fingerprint::Fingerprint,
    issue::TokenPair,
    record::StoredDevice,
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
        StoreKey,
        swap::{Step, swap},
    },
};

impl<U: Serialize + Send + Sync + 'static> TokenPairs<U> {
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
        self.exchange(refresh_token, fingerprint, None).await
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
        let gone = || Rejection::invalid("the device has expired or was revoked");
        let record = self.read_record(&token.record_key).await?;
        let record = record.filter(|record| self.is_at_own_key(record, &token.record_key));
        let subject = record.ok_or_else(gone)?.subject;
        // Read before anything is changed, so that an unavailable user table costs no client its
        // token.
        let user = inner.users.read_user(&subject).await?;
        let user = user.ok_or_else(|| Rejection::invalid("the user may no longer log in"))?;
        if user.subject() != subject {
            return Err(Rejection::misconfigured(
                "the user that was read has another subject than the one requested",
            ));
        }
        let decision = self.decide_refresh(&token, fingerprint, key).await?;
        self.emit_decision(&decision, &subject);
        let device = match decision {
            RefreshDecision::Rotated { device, .. } | RefreshDecision::Repeated { device } => {
                device
            }
            RefreshDecision::Replaced => {
                return Err(Rejection::invalid("the refresh token was replaced"));
            }
            RefreshDecision::FingerprintChanged { .. } => {
                return Err(Rejection::invalid(
                    "the fingerprint differs from that of the login",
                ));
            }
            RefreshDecision::Reused { .. } => {
                return Err(Rejection::invalid("a replaced refresh token was reused"));
            }
            RefreshDecision::Ahead { .. } => {
                return Err(Rejection::invalid(
                    "the refresh token is newer than the record",
                ));
            }
            RefreshDecision::KeyNotProved => {
                return Err(Rejection::invalid(
                    "the request does not prove the key of the device",
                ));
            }
            RefreshDecision::Gone => return Err(gone()),
        };
        Ok(self
            .pair(&token.record_key, token.family, &device, user)
            .await?)
    }

    async fn decide_refresh(
        &self,
        token: &RefreshToken,
        fingerprint: Option<&Fingerprint>,
        key: Option<&str>,
    ) -> Result<RefreshDecision, StoreError> {
        let inner = &*self.inner;
        let mut presented = token.presented();
        presented.key = key.map(str::to_owned);
        let fingerprints = inner.fingerprints.hash(fingerprint);
        swap(&inner.store, &*inner.clock, &token.record_key, |entry| {
            let Some(mut record) = self.decode_record(&token.record_key, entry)? else {
                return Ok(Step::Keep(RefreshDecision::Gone));
            };
            let now = inner.clock.now();
            let outages = inner.store.outages();
            let moment = inner.moment(now, &outages);
            let kid = inner.keys.active();
            let decision =
                record.decide_refresh(&presented, &fingerprints, kid, &inner.policy, moment);
            Ok::<_, StoreError>(match decision {
                RefreshDecision::Rotated { .. }
                | RefreshDecision::Reused { .. }
                | RefreshDecision::Ahead { .. } => {
                    Step::Swap(self.write(&token.record_key, &record, now)?, decision)
                }
                decision => Step::Keep(decision),
            })
        })
        .await
    }

    fn emit_decision(&self, decision: &RefreshDecision, subject: &str) {
        match decision {
            RefreshDecision::Rotated {
                device,
                is_fingerprint_changed,
            } => {
                if *is_fingerprint_changed {
                    self.emit(EventKind::FingerprintChanged, subject, Some(device));
                }
                self.emit(EventKind::Refreshed, subject, Some(device));
            }
            RefreshDecision::FingerprintChanged { device } => {
                self.emit(EventKind::FingerprintChanged, subject, Some(device));
            }
            RefreshDecision::Reused { device } => {
                self.emit(EventKind::ReuseDetected, subject, Some(device));
            }
            RefreshDecision::Ahead { device } => {
                self.emit(EventKind::StateLost, subject, Some(device));
            }
            RefreshDecision::Repeated { .. }
            | RefreshDecision::Replaced
            | RefreshDecision::KeyNotProved
            | RefreshDecision::Gone => {}
        }
    }

    /// Issues the pair for a device as it is recorded.
    pub(super) async fn pair(
        &self,
        record_key: &StoreKey,
        family: Secret<[u8; FAMILY_BYTES]>,
        device: &StoredDevice,
        user: Grant<U>,
    ) -> Result<TokenPair, IssueError> {
        let inner = &*self.inner;
        let token = RefreshToken {
            record_key: record_key.clone(),
            family,
            generation: device.generation,
        };
        // During a rotation, a new secret reaches one node before another.
        let refresh_token = inner.keys.encode(&token, device.kid).ok_or_else(|| {
            let reason =
                "another node made the token with a secret that this node does not have yet";
            StoreError::Unavailable(reason.into())
        })?;
        let mut grant = user;
        grant.factors = device
            .proofs()
            .map(|(factor, at)| (factor, Some(at)))
            .collect();
        let refresh_expires_in = device.absolute_at.since(inner.clock.now());
        let expires_in = inner
            .access
            .ttl()
            .min(refresh_expires_in.max(MIN_EXPIRES_IN));
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

/// The shortest lifetime that a token can state.
const MIN_EXPIRES_IN: Duration = Duration::from_secs(1);
