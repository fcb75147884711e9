//! Token introspection (RFC 7662) and revocation (RFC 7009).

use std::fmt;

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap};

use super::{inner::TokenPairsInner, policy::RevocationCheck, token::RefreshToken};
use crate::{
    clock::Timestamp,
    error::StoreError,
    identity::Identity,
    rejection::{Rejection, RejectionKind},
};

/// The description of a valid token.
///
/// It serialises as the response of RFC 7662 section 2.2, with times in seconds since 1970.
#[non_exhaustive]
pub struct TokenInfo {
    /// The subject.
    pub subject: String,
    /// The issuer.
    pub issuer: String,
    /// The public id of its device.
    pub session_id: Option<String>,
    /// The id of an access token.
    pub token_id: Option<String>,
    /// The audience of an access token.
    pub audience: Vec<String>,
    /// The granted scopes.
    pub scopes: Vec<String>,
    /// When it expires. For a refresh token, when its device expires if it is not used.
    pub expires_at: Option<Timestamp>,
    /// When an access token was issued.
    pub issued_at: Option<Timestamp>,
    /// The thumbprint of the key that the holder must prove to hold (RFC 9449 section 6.2).
    pub key: Option<String>,
    /// Whether it is an access token.
    pub is_access: bool,
}

/// Describes an access or refresh token.
pub(super) async fn introspect<U: DeserializeOwned + Send + Sync + 'static>(
    pairs: &TokenPairsInner<U>,
    token: &str,
) -> Result<Option<TokenInfo>, StoreError> {
    match pairs.keys.decode(token) {
        Some(token) => introspect_refresh(pairs, &token).await,
        None => introspect_access(pairs, token).await,
    }
}

/// Describes an access token.
pub(super) async fn introspect_access<U: DeserializeOwned + Send + Sync + 'static>(
    pairs: &TokenPairsInner<U>,
    token: &str,
) -> Result<Option<TokenInfo>, StoreError> {
    let Some(inspected) = only_unavailable(pairs.access.inspect(token).await)? else {
        return Ok(None);
    };
    let identity: &Identity = &inspected.identity;
    if pairs.revocation == RevocationCheck::Both
        && only_unavailable(pairs.records.check_device(identity).await)?.is_none()
    {
        return Ok(None);
    }
    Ok(Some(TokenInfo {
        subject: identity.subject().id().to_owned(),
        issuer: identity.subject().issuer().to_owned(),
        session_id: identity.session_id().map(str::to_owned),
        token_id: identity.token_id().map(str::to_owned),
        audience: inspected.audience,
        scopes: identity.scopes().to_vec(),
        expires_at: inspected.expires_at,
        issued_at: inspected.issued_at,
        key: inspected.key,
        is_access: true,
    }))
}

async fn introspect_refresh<U>(
    pairs: &TokenPairsInner<U>,
    token: &RefreshToken,
) -> Result<Option<TokenInfo>, StoreError> {
    let records = &pairs.records;
    let record = records.read(&token.record_key).await?;
    let record = record.filter(|record| records.is_at_own_key(record, &token.record_key));
    let Some(record) = record else {
        return Ok(None);
    };
    let outages = records.store.outages();
    let moment = records.moment(records.clock.now(), &outages);
    let device = record.device_of_valid(&token.presented(), &pairs.policy, moment);
    Ok(device.map(|device| TokenInfo {
        subject: record.subject.clone(),
        issuer: records.issuer.clone(),
        session_id: Some(device.id()),
        token_id: None,
        audience: Vec::new(),
        scopes: Vec::new(),
        expires_at: Some(device.idle_at),
        issued_at: None,
        key: device.key.clone(),
        is_access: false,
    }))
}

/// Maps a rejected token to `None` and keeps the error of an unavailable store, which says nothing
/// about the token.
pub(super) fn only_unavailable<T>(outcome: Result<T, Rejection>) -> Result<Option<T>, StoreError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(rejection) if *rejection.kind() == RejectionKind::Unavailable => {
            Err(StoreError::Unavailable(rejection.into()))
        }
        Err(_) => Ok(None),
    }
}

impl Serialize for TokenInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut response = serializer.serialize_map(None)?;
        response.serialize_entry("active", &true)?;
        response.serialize_entry("sub", &self.subject)?;
        response.serialize_entry("iss", &self.issuer)?;
        if self.is_access {
            let is_bound = self.key.is_some();
            response.serialize_entry("token_type", if is_bound { "DPoP" } else { "Bearer" })?;
        }
        match &*self.audience {
            [] => {}
            [one] => response.serialize_entry("aud", one)?,
            several => response.serialize_entry("aud", several)?,
        }
        if !self.scopes.is_empty() {
            response.serialize_entry("scope", &self.scopes.join(" "))?;
        }
        for (name, at) in [("exp", self.expires_at), ("iat", self.issued_at)] {
            if let Some(at) = at {
                response.serialize_entry(name, &at.as_secs())?;
            }
        }
        for (name, id) in [("jti", &self.token_id), ("sid", &self.session_id)] {
            if let Some(id) = id {
                response.serialize_entry(name, id)?;
            }
        }
        if let Some(key) = &self.key {
            response.serialize_entry("cnf", &serde_json::json!({ "jkt": key }))?;
        }
        response.end()
    }
}

impl fmt::Debug for TokenInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenInfo")
            .field("is_access", &self.is_access)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
