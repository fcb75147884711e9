//! A pair of tokens, and how it is issued for a device.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{
    device::StoredDevice,
    inner::TokenPairsInner,
    token::{FAMILY_BYTES, RefreshToken},
};
use crate::{
    error::{IssueError, StoreError},
    grant::Grant,
    secret::Secret,
    store::StoreKey,
};

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

/// Issues the pair for a device as it is recorded.
pub(super) async fn pair<U: Serialize + Send + Sync + 'static>(
    pairs: &TokenPairsInner<U>,
    record_key: &StoreKey,
    family: Secret<[u8; FAMILY_BYTES]>,
    device: &StoredDevice,
    user: Grant<U>,
) -> Result<TokenPair, IssueError> {
    let token = RefreshToken {
        record_key: record_key.clone(),
        family,
        generation: device.generation,
    };
    // During a rotation, a new secret reaches one node before another.
    let refresh_token = pairs.keys.encode(&token, device.kid).ok_or_else(|| {
        let reason = "another node made the token with a secret that this node does not have yet";
        StoreError::Unavailable(reason.into())
    })?;
    let mut grant = user;
    grant.factors = device
        .proofs()
        .map(|(factor, at)| (factor, Some(at)))
        .collect();
    let refresh_expires_in = device.absolute_at.since(pairs.records.clock.now());
    let expires_in = pairs
        .access
        .ttl()
        .min(refresh_expires_in.max(MIN_EXPIRES_IN));
    let access = pairs.access.issue(grant).session_id(device.id());
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

/// The shortest lifetime that a token can state.
const MIN_EXPIRES_IN: Duration = Duration::from_secs(1);
