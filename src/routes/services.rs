//! The routes for services that receive tokens: introspection (RFC 7662) and revocation (RFC 7009).

use axum::{
    Form, Json, Router,
    extract::{Extension, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    routing::post,
};
use base64_simd::STANDARD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    answer::{RouteError, RouteResult, no_store},
    mount::Mount,
};
use crate::{
    error::ConfigError,
    refresh::TokenInfo,
    rejection::Rejection,
    secret::{self, Secret},
};

/// A service that may ask about tokens, and the hash of its secret.
#[derive(Clone)]
pub(crate) struct ServiceCredential {
    id: String,
    secret: [u8; 32],
}

impl ServiceCredential {
    /// Neither needs escapes in the header (RFC 6749 section 2.3.1).
    pub(crate) fn new(id: &str, secret: &Secret<String>) -> Result<Self, ConfigError> {
        let is_plain = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !text.is_empty() && text.bytes().all(is_plain)
        };
        if !is_plain(id) {
            let reason = "the id is not letters, digits and `-._~`";
            return Err(ConfigError::new("service", reason));
        }
        if secret.expose().len() < MIN_SECRET_BYTES || !is_plain(secret.expose()) {
            let reason = "the secret is not 32 or more letters, digits and `-._~`";
            return Err(ConfigError::new("service", reason));
        }
        Ok(Self {
            id: id.to_owned(),
            secret: secret::hash([secret.expose().as_bytes()]),
        })
    }
}

pub(crate) fn router<U, S>(mount: &Mount<U>) -> Router<S>
where
    U: Serialize + DeserializeOwned + Send + Sync + 'static,
    S: Clone + Send + Sync + 'static,
{
    if mount.services.is_empty() {
        return Router::new();
    }
    Router::new()
        .route("/introspect", post(introspect::<U>))
        .route("/revoke", post(revoke::<U>))
}

#[derive(Deserialize)]
struct TokenRequest {
    token: String,
    token_type_hint: Option<String>,
}

type TokenForm = Result<Form<TokenRequest>, FormRejection>;

async fn introspect<U: DeserializeOwned + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    headers: HeaderMap,
    form: TokenForm,
) -> RouteResult {
    let (token, hint) = requested_token(&mount, &headers, form)?;
    let pairs = mount.accounts.token_pairs();
    let info = pairs.introspect(token.expose()).await;
    let info = info.map_err(Rejection::from)?;
    // A service that accepts any active token must not take a refresh token for an access token.
    let is_requested_type =
        |info: &TokenInfo| info.is_access || hint.as_deref() == Some("refresh_token");
    let response = match info.filter(is_requested_type) {
        Some(info) => Json(json!(info)),
        None => Json(json!({ "active": false })),
    };
    Ok(no_store(response))
}

async fn revoke<U: DeserializeOwned + Send + Sync + 'static>(
    Extension(mount): Extension<Mount<U>>,
    headers: HeaderMap,
    form: TokenForm,
) -> RouteResult {
    // The type of the token follows from its form, so the hint is not needed.
    let (token, _) = requested_token(&mount, &headers, form)?;
    let pairs = mount.accounts.token_pairs();
    let revoked = pairs.revoke_token(token.expose()).await;
    // An invalid token is not an error (RFC 7009 section 2.2).
    revoked.map_err(Rejection::from)?;
    Ok(no_store(StatusCode::OK))
}

/// Authenticates the service, and returns the token and its type hint.
fn requested_token<U>(
    mount: &Mount<U>,
    headers: &HeaderMap,
    form: TokenForm,
) -> Result<(Secret<String>, Option<String>), RouteError> {
    if !is_authenticated(&mount.services, headers) {
        return Err(RouteError::UnknownService);
    }
    let Form(request) = form.map_err(|_| {
        let detail = "a form with a `token` is required";
        RouteError::new(StatusCode::BAD_REQUEST, detail)
    })?;
    Ok((Secret::new(request.token), request.token_type_hint))
}

/// Authenticates a service with HTTP Basic (RFC 7617). Every service is compared, in constant time.
fn is_authenticated(services: &[ServiceCredential], headers: &HeaderMap) -> bool {
    let presented = || {
        let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, text) = header.split_once(' ')?;
        let bytes = STANDARD.decode_to_vec(text.trim_start()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (id, secret) = text.split_once(':')?;
        let secret = secret::hash([secret.as_bytes()]);
        (scheme.eq_ignore_ascii_case("basic")).then(|| (id.to_owned(), secret))
    };
    let Some((id, secret)) = presented() else {
        return false;
    };
    services.iter().fold(false, |found, service| {
        let matches = secret::equal(&service.secret, &secret) & (service.id == id);
        found | matches
    })
}

const MIN_SECRET_BYTES: usize = 32;
