//! Completes a login: exchanges the code, and identifies the user.

use std::{sync::Arc, time::Duration};

use super::{
    callback::{Callback, ProviderLogin},
    error::{self, OAuthError},
    id_token::{ExpectedLogin, IdTokens},
    inner::OAuth2Inner,
    profile::Profile,
    tokens::ProviderTokens,
    user_info,
};

/// See [`OAuth2::finish`](super::OAuth2::finish).
pub(super) async fn finish(
    inner: &OAuth2Inner,
    callback: Callback,
    cookie: Option<&str>,
) -> Result<ProviderLogin, OAuthError> {
    let provider = inner.provider.settings();
    let (Some(state), Some(cookie)) = (&callback.state, cookie) else {
        return Err(OAuthError::UnknownState);
    };
    let flow = inner.flows.open(state, cookie, inner.clock.now());
    let flow = flow.ok_or(OAuthError::UnknownState)?;
    if !inner.flows.mark_used(&flow, state).await? {
        return Err(OAuthError::UnknownState);
    }
    match &callback.iss {
        Some(issuer) if *issuer != provider.issuer => return Err(OAuthError::Issuer),
        None if provider.requires_issuer => return Err(OAuthError::Issuer),
        _ => {}
    }
    if let Some(code) = &callback.error {
        let code = error::code(code);
        return Err(OAuthError::Denied { code });
    }
    let code = callback.code.as_deref().unwrap_or_default();
    if !(1..=MAX_CODE_BYTES).contains(&code.len()) {
        let reason = "the code is missing or longer than 4 KB";
        return Err(OAuthError::Malformed(reason));
    }
    let tokens = inner.wire.exchange(code, &flow.verifier()).await?;
    let nonce = flow.nonce();
    let expected = ExpectedLogin {
        nonce: Some(nonce.expose()),
        max_age: flow.max_age.map(Duration::from_secs),
    };
    let mut profile = identify(inner, &tokens, &expected).await?;
    if let Some(user) = &callback.user {
        profile.set_name_from_form(user);
    }
    Ok(ProviderLogin {
        profile,
        tokens,
        started_at: flow.started_at,
        return_to: flow.return_to,
    })
}

/// Identifies the user of the tokens.
pub(super) async fn identify(
    inner: &OAuth2Inner,
    tokens: &ProviderTokens,
    expected: &ExpectedLogin<'_>,
) -> Result<Profile, OAuthError> {
    let provider = inner.provider.settings();
    let mut claims = serde_json::Map::new();
    if provider.requires_id_token() {
        let token = tokens.id_token.as_ref();
        let token = token.ok_or(OAuthError::IdToken("it is missing".into()))?;
        let open = || IdTokens::open(provider, &inner.clock);
        // All waiting callers try one after another, so each of them has a timeout.
        let opened = inner.id_tokens.get_or_try_init(open);
        let opened = tokio::time::timeout(provider.fetch.timeout(), opened).await;
        let id_tokens = opened.map_err(|elapsed| OAuthError::Unreachable(Arc::new(elapsed)))??;
        claims = id_tokens
            .verify(token, &tokens.access_token, expected, inner.clock.now())
            .await?;
    }
    user_info::read(provider, &inner.wire, tokens, claims).await
}

/// At least twice as long as the codes of any provider.
const MAX_CODE_BYTES: usize = 4096;
