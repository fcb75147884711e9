//! How a login ends.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    client::{Core, OAuth2},
    error::{self, OAuthError},
    id_token::{Expected, IdTokens},
    profile::Profile,
    tokens::ProviderTokens,
};
use crate::clock::Timestamp;

/// What a provider sends a browser back with: the parameters of the callback's query, or of its form.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Callback {
    /// What is exchanged for tokens.
    pub code: Option<String>,
    /// What the login was begun with.
    pub state: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// What Apple says of a user at the first login, in JSON. Nobody vouches for it, so it is a name and no more.
    pub user: Option<String>,
}

impl Callback {
    /// Reads the parameters. Those that are not of the protocol are left out.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Malformed`] when one of the protocol's comes twice (RFC 6749 section 3.1).
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
                    "a parameter of the answer comes twice",
                ));
            }
        }
        Ok(callback)
    }
}

/// Somebody whom a provider has identified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// Who it is.
    pub profile: Profile,
    /// For the provider's API.
    pub tokens: ProviderTokens,
    /// Where the browser wants to go: a path on this origin.
    pub return_to: String,
    /// When it began here: what has ended since then for all of the user's logins must not come back by this one.
    pub started_at: Timestamp,
}

impl OAuth2 {
    /// Ends a login: `cookie` is what the browser keeps under [`cookie_name`](Self::cookie_name) of the callback's state. A state
    /// is good once, and for the browser that began with it; whatever comes of it, it is used up. Nobody is asked anything, and
    /// nothing is written, for a state that is not good.
    ///
    /// # Errors
    ///
    /// See [`OAuthError`].
    pub async fn finish(
        &self,
        callback: Callback,
        cookie: Option<&str>,
    ) -> Result<Login, OAuthError> {
        let ended = self.core.finish(callback, cookie).await;
        self.core.told(ended)
    }
}

impl Core {
    async fn finish(&self, callback: Callback, cookie: Option<&str>) -> Result<Login, OAuthError> {
        let provider = &*self.provider.inner;
        let (Some(state), Some(cookie)) = (&callback.state, cookie) else {
            return Err(OAuthError::UnknownState);
        };
        let flow = self.open_flow(state, cookie);
        let flow = flow.ok_or(OAuthError::UnknownState)?;
        if !self.use_up(&flow, state).await? {
            return Err(OAuthError::UnknownState);
        }
        match &callback.iss {
            Some(issuer) if *issuer != provider.issuer => return Err(OAuthError::Issuer),
            None if provider.states_issuer => return Err(OAuthError::Issuer),
            _ => {}
        }
        if let Some(code) = &callback.error {
            let code = error::code(code);
            return Err(OAuthError::Denied { code });
        }
        let code = callback.code.as_deref().unwrap_or_default();
        if !(1..=MAX_CODE_BYTES).contains(&code.len()) {
            let reason = "the code is missing, or longer than 4 KB";
            return Err(OAuthError::Malformed(reason));
        }
        let tokens = self.wire.exchange(code, &flow.verifier()).await?;
        let nonce = flow.nonce();
        let expected = Expected {
            nonce: Some(nonce.expose()),
            max_age: flow.max_age.map(Duration::from_secs),
        };
        let mut profile = self.identify(&tokens, &expected).await?;
        if let Some(user) = &callback.user {
            profile.name_by_form(user);
        }
        Ok(Login {
            profile,
            tokens,
            started_at: flow.started_at,
            return_to: flow.return_to,
        })
    }

    /// Who the tokens are of.
    pub(super) async fn identify(
        &self,
        tokens: &ProviderTokens,
        expected: &Expected<'_>,
    ) -> Result<Profile, OAuthError> {
        let provider = &*self.provider.inner;
        let mut claims = serde_json::Map::new();
        if provider.wants_id_token() {
            let token = tokens.id_token.as_ref();
            let token = token.ok_or(OAuthError::IdToken("there is none".into()))?;
            let open = || IdTokens::open(provider, &self.clock);
            // All who wait try one after another, so the wait has an end for each of them.
            let opened = self.id_tokens.get_or_try_init(open);
            let opened = tokio::time::timeout(provider.fetch.timeout(), opened).await;
            let id_tokens = opened.map_err(|late| OAuthError::Unreachable(Arc::new(late)))??;
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

/// No provider's codes are half as long.
const MAX_CODE_BYTES: usize = 4096;
