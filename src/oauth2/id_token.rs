//! Verifies ID tokens (OpenID Connect Core section 3.1.3.7).

use std::{sync::Arc, time::Duration};

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{error::OAuthError, provider::ProviderInner};
use crate::{
    clock::{Clock, Timestamp},
    error::ConfigError,
    remote::{fetch::UrlScheme, jwks::Jwks},
    secret,
    secret::Secret,
    token::{Claims, Jwt},
};

/// The verifier of the ID tokens of one provider.
pub(super) struct IdTokens {
    jwks: Jwks,
    jwt: Jwt<Claims>,
    client_id: String,
}

/// The values that an ID token must match.
#[derive(Default)]
pub(super) struct ExpectedLogin<'a> {
    pub(super) nonce: Option<&'a str>,
    pub(super) max_age: Option<Duration>,
}

impl IdTokens {
    /// Fetches the provider's keys.
    pub(super) async fn open(
        provider: &ProviderInner,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, OAuthError> {
        let url = provider.jwks.as_ref();
        let url = url.ok_or(OAuthError::Unsupported("keys of ID tokens"))?;
        let mut keys = Jwks::builder(url.as_str()).request_timeout(provider.fetch.timeout());
        if provider.scheme == UrlScheme::HttpOnLoopback {
            keys = keys.dangerous_http_on_loopback();
        }
        let jwks = keys.connect().await.map_err(OAuthError::unreachable)?;
        let jwt = Jwt::builder(jwks.keys().clone())
            .issuer(&provider.issuer)
            .audience(&provider.client_id)
            .types(["JWT"])
            .dangerous_accept_untyped()
            .clock(Arc::clone(clock))
            .build()
            .map_err(|error: ConfigError| OAuthError::unreachable(error))?;
        Ok(Self {
            jwks,
            jwt,
            client_id: provider.client_id.clone(),
        })
    }

    /// Returns the claims of a token after checking that it is from the provider, for this
    /// application, and of this login.
    pub(super) async fn verify(
        &self,
        token: &Secret<String>,
        access_token: &Secret<String>,
        expected: &ExpectedLogin<'_>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, OAuthError> {
        let token = token.expose();
        let mut verified = self.jwt.verify(token).await;
        // The provider may have a new key.
        if verified.is_err() && self.jwks.refresh_for_unknown().await {
            verified = self.jwt.verify(token).await;
        }
        let invalid = |reason: &str| OAuthError::IdToken(reason.to_owned().into());
        let verified = verified.map_err(|rejection| invalid(rejection.reason()))?;
        let claims = verified.user().map(|user| serde_json::to_value(&**user));
        let Some(Ok(Value::Object(claims))) = claims else {
            return Err(invalid("it is not an object"));
        };
        self.check_claims(&claims, expected, now).map_err(invalid)?;
        if let Some(stated) = claims.get("at_hash") {
            let hash = left_half(algorithm(token).as_deref(), access_token.expose());
            let is_same =
                |stated: &str, hash: &str| secret::equal(stated.as_bytes(), hash.as_bytes());
            let (Some(stated), Some(hash)) = (stated.as_str(), hash) else {
                return Err(invalid("its `at_hash` has an unknown form"));
            };
            if !is_same(stated, &hash) {
                return Err(invalid("its `at_hash` does not match the access token"));
            }
        }
        Ok(claims)
    }

    /// Checks the claims that `Jwt` does not.
    fn check_claims(
        &self,
        claims: &Map<String, Value>,
        expected: &ExpectedLogin<'_>,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let has_several = claims
            .get("aud")
            .and_then(Value::as_array)
            .is_some_and(|audiences| audiences.len() > 1);
        match claims.get("azp") {
            None if has_several => return Err("it has several audiences and no `azp`"),
            Some(party) if *party != *self.client_id => {
                return Err("it was issued to another client");
            }
            _ => {}
        }
        if claims.get("iat").is_none() {
            return Err("it has no `iat`");
        }
        if let Some(nonce) = expected.nonce {
            let stated = claims.get("nonce").and_then(Value::as_str);
            let stated = stated.ok_or("it has no nonce")?;
            if !secret::equal(stated.as_bytes(), nonce.as_bytes()) {
                return Err("its nonce is that of another login");
            }
        }
        if let Some(age) = expected.max_age {
            let at = claims.get("auth_time").and_then(Value::as_f64);
            let at = at.and_then(|at| Duration::try_from_secs_f64(at).ok());
            let at = at.ok_or("it does not state when the user logged in")?;
            let at = Timestamp::from_millis(0).after(at);
            if at.after(age).after(LEEWAY) < now {
                return Err("the login at the provider is older than requested");
            }
        }
        Ok(())
    }
}

/// Returns the algorithm of a verified token, which is therefore also the key's.
fn algorithm(token: &str) -> Option<String> {
    let header = token.split('.').next()?;
    let header = URL_SAFE_NO_PAD.decode_to_vec(header).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    header.get("alg")?.as_str().map(str::to_owned)
}

/// Returns the left half of the hash that an algorithm implies (OpenID Connect Core section
/// 3.1.3.6).
fn left_half(algorithm: Option<&str>, text: &str) -> Option<String> {
    let hash = match algorithm? {
        "EdDSA" | "Ed25519" => secret::sha2(512, text.as_bytes())?,
        "ES256K" => secret::sha2(256, text.as_bytes())?,
        name => secret::sha2(name.get(2..)?.parse().ok()?, text.as_bytes())?,
    };
    let hash = hash.as_ref();
    Some(URL_SAFE_NO_PAD.encode_to_string(&hash[..hash.len() / 2]))
}

/// The clock skew between provider and application that `Jwt` tolerates.
const LEEWAY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_access_token_is_that_of_the_standard() {
        // OpenID Connect Core, appendix A.3: an ID token by RS256, and its access token.
        let hash = left_half(Some("RS256"), "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(hash.as_deref(), Some("77QmUPtjPfzWtF2AnpK9RQ"));
        assert_eq!(
            left_half(Some("EdDSA"), "a").map(|hash| hash.len()),
            Some(43)
        );
        assert_eq!(
            left_half(Some("ES384"), "a").map(|hash| hash.len()),
            Some(32)
        );
        assert_eq!(
            left_half(Some("ES256K"), "a"),
            left_half(Some("RS256"), "a")
        );
        // No standard defines the hash for these.
        assert_eq!(left_half(Some("ML-DSA-44"), "a"), None);
        assert_eq!(left_half(Some("none"), "a"), None);
        assert_eq!(left_half(None, "a"), None);
    }
}
