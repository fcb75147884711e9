//! Exchanges a refresh token for the next pair.

use serde::Serialize;

use super::{
    devices::RefreshDecision,
    fingerprint::Fingerprint,
    inner::TokenPairsInner,
    pair::{TokenPair, pair},
    records::DeviceRecords,
    token::RefreshToken,
};
use crate::{
    error::StoreError,
    event::EventKind,
    rejection::Rejection,
    store::swap::{Step, swap},
};

/// Exchanges `refresh_token` for the next pair, on a request that proves `key`.
pub(super) async fn exchange<U: Serialize + Send + Sync + 'static>(
    pairs: &TokenPairsInner<U>,
    refresh_token: &str,
    fingerprint: Option<&Fingerprint>,
    key: Option<&str>,
) -> Result<TokenPair, Rejection> {
    let records = &pairs.records;
    let token = pairs.read(refresh_token)?;
    let gone = || Rejection::invalid("the device has expired or was revoked");
    let record = records.read(&token.record_key).await?;
    let record = record.filter(|record| records.is_at_own_key(record, &token.record_key));
    let subject = record.ok_or_else(gone)?.subject;
    // Read before anything is changed, so that an unavailable user table costs no client its
    // token.
    let user = pairs.users.read_user(&subject).await?;
    let user = user.ok_or_else(|| Rejection::invalid("the user may no longer log in"))?;
    if user.subject() != subject {
        return Err(Rejection::misconfigured(
            "the user that was read has another subject than the one requested",
        ));
    }
    let decision = decide_refresh(pairs, &token, fingerprint, key).await?;
    emit_decision(records, &decision, &subject);
    let device = match decision {
        RefreshDecision::Rotated { device, .. } | RefreshDecision::Repeated { device } => device,
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
    let key = &token.record_key;
    Ok(pair(pairs, key, token.family, &device, user).await?)
}

async fn decide_refresh<U>(
    pairs: &TokenPairsInner<U>,
    token: &RefreshToken,
    fingerprint: Option<&Fingerprint>,
    key: Option<&str>,
) -> Result<RefreshDecision, StoreError> {
    let records = &pairs.records;
    let mut presented = token.presented();
    presented.key = key.map(str::to_owned);
    let fingerprints = pairs.fingerprints.hash(fingerprint);
    swap(
        &records.store,
        &*records.clock,
        &token.record_key,
        |entry| {
            let Some(mut record) = records.decode(&token.record_key, entry)? else {
                return Ok(Step::Keep(RefreshDecision::Gone));
            };
            let now = records.clock.now();
            let outages = records.store.outages();
            let moment = records.moment(now, &outages);
            let kid = pairs.keys.active();
            let decision =
                record.decide_refresh(&presented, &fingerprints, kid, &pairs.policy, moment);
            Ok::<_, StoreError>(match decision {
                RefreshDecision::Rotated { .. }
                | RefreshDecision::Reused { .. }
                | RefreshDecision::Ahead { .. } => {
                    Step::Swap(records.write(&token.record_key, &record, now)?, decision)
                }
                decision => Step::Keep(decision),
            })
        },
    )
    .await
}

fn emit_decision(records: &DeviceRecords, decision: &RefreshDecision, subject: &str) {
    match decision {
        RefreshDecision::Rotated {
            device,
            is_fingerprint_changed,
        } => {
            if *is_fingerprint_changed {
                records.emit(EventKind::FingerprintChanged, subject, Some(device));
            }
            records.emit(EventKind::Refreshed, subject, Some(device));
        }
        RefreshDecision::FingerprintChanged { device } => {
            records.emit(EventKind::FingerprintChanged, subject, Some(device));
        }
        RefreshDecision::Reused { device } => {
            records.emit(EventKind::ReuseDetected, subject, Some(device));
        }
        RefreshDecision::Ahead { device } => {
            records.emit(EventKind::StateLost, subject, Some(device));
        }
        RefreshDecision::Repeated { .. }
        | RefreshDecision::Replaced
        | RefreshDecision::KeyNotProved
        | RefreshDecision::Gone => {}
    }
}
