//! Completes a login.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    client::{OAuth2, OAuth2Inner},
    error::{self, OAuthError},
    id_token::{ExpectedLogin, IdTokens},
    profile::Profile,
    tokens::ProviderTokens,
};
use crate::clock::Timestamp;

/// The parameters of a provider's callback, from its query or its form.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Callback {
    /// The authorization code.
    pub code: Option<String>,
    /// The state of the login.
    pub state: Option<String>,
    /// The issuer of the callback (RFC 9207).
    pub iss: Option<String>,
    /// The error code, if there is no authorization code.
    pub error: Option<String>,
    /// Apple's description of the user at the first login, in JSON. It is not signed, so it is used
    /// only as a display name.
    pub user: Option<String>,
}

impl Callback {
    /// Reads the parameters. Unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Malformed`] if a parameter of the protocol occurs twice (RFC 6749 section
    /// 3.1).
    pub fn read(
        parameters: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OAuthError> {
        let mut callback = Self::default();
        for (name, value) in parameters {
            let field = match &*name {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                "user" => &mut callback.user,
                _ => continue,
            };
            if field.replace(value).is_some() {
                return Err(OAuthError::Malformed(
                    "a parameter of the callback occurs twice",
                ));
            }
        }
        Ok(callback)
    }
}

/// A user that a provider has identified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProviderLogin {
    /// The user.
    pub profile: Profile,
    /// The tokens for the provider's API.
    pub tokens: ProviderTokens,
    /// Where the browser goes next: a path on this origin.
    pub return_to: String,
    /// When the login started here. If all sessions of the user were revoked after that, this login
    /// must fail.
    pub started_at: Timestamp,
}

impl OAuth2 {
    /// Completes a login. `cookie` is the value of the browser's cookie
    /// [`cookie_name`](Self::cookie_name) of the callback's state. A state is valid once, and only
    /// for the browser that started with it. It is used up, whatever the result. For an invalid
    /// state, no request is made and nothing is written.
    ///
    /// # Errors
    ///
    /// See [`OAuthError`].
    pub async fn finish(
        &self,
        callback: Callback,
        cookie: Option<&str>,
    ) -> Result<ProviderLogin, OAuthError> {
        let result = self.inner.finish(callback, cookie).await;
        self.inner.report_login(result)
    }
}

impl OAuth2Inner {
    async fn finish(
        &self,
        callback: Callback,
        cookie: Option<&str>,
    ) -> Result<ProviderLogin, OAuthError> {
        let provider = &*self.provider.inner;
        let (Some(state), Some(cookie)) = (&callback.state, cookie) else {
            return Err(OAuthError::UnknownState);
        };
        let flow = self.open_flow(state, cookie);
        let flow = flow.ok_or(OAuthError::UnknownState)?;
        if !self.mark_used(&flow, state).await? {
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
        let tokens = self.wire.exchange(code, &flow.verifier()).await?;
        let nonce = flow.nonce();
        let expected = ExpectedLogin {
            nonce: Some(nonce.expose()),
            max_age: flow.max_age.map(Duration::from_secs),
        };
        let mut profile = self.identify(&tokens, &expected).await?;
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
        &self,
        tokens: &ProviderTokens,
        expected: &ExpectedLogin<'_>,
    ) -> Result<Profile, OAuthError> {
        let provider = &*self.provider.inner;
        let mut claims = serde_json::Map::new();
        if provider.requires_id_token() {
            let token = tokens.id_token.as_ref();
            let token = token.ok_or(OAuthError::IdToken("it is missing".into()))?;
            let open = || IdTokens::open(provider, &self.clock);
            // All waiting callers try one after another, so each of them has a timeout.
            let opened = self.id_tokens.get_or_try_init(open);
            let opened = tokio::time::timeout(provider.fetch.timeout(), opened).await;
            let id_tokens =
                opened.map_err(|elapsed| OAuthError::Unreachable(Arc::new(elapsed)))??;
            claims = id_tokens
                .verify(token, &tokens.access_token, expected, self.clock.now())
                .await?;
        }
        self.read_user(tokens, claims).await
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

/// At least twice as long as the codes of any provider.
const MAX_CODE_BYTES: usize = 4096;
