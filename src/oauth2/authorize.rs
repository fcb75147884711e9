//! Starts a login.

use std::{
    fmt,
    future::{IntoFuture, Ready, ready},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use url::Url;

use super::{
    error::OAuthError,
    flow::{Flow, random},
    inner::OAuth2Inner,
    return_to::is_own_path,
};

/// A login that starts when awaited. See [`OAuth2::authorize`](super::OAuth2::authorize).
#[must_use = "a login does not start unless it is awaited"]
pub struct Authorize<'a> {
    client: &'a OAuth2Inner,
    return_to: Option<String>,
    clear_cookies: Vec<HeaderValue>,
    max_age: Option<Duration>,
}

/// A started login: the redirect for the browser and its cookies.
#[non_exhaustive]
pub struct Started {
    /// The provider's page. It contains the state, so do not log it.
    pub url: String,
    /// The cookie that holds the sealed login and binds it to the browser.
    pub set_cookie: HeaderValue,
    /// Headers that remove the cookies of older logins, so that a browser never sends too many.
    /// Send them too.
    pub clear_cookies: Vec<HeaderValue>,
}

impl<'a> Authorize<'a> {
    pub(super) const fn new(client: &'a OAuth2Inner) -> Self {
        Self {
            client,
            return_to: None,
            clear_cookies: Vec::new(),
            max_age: None,
        }
    }

    /// Sets the page for the browser after the login: a path on this origin. Any other value is
    /// replaced by the default page.
    pub fn return_to(mut self, path: &str) -> Self {
        self.return_to = is_own_path(path).then(|| path.to_owned());
        self
    }

    /// Reads the cookies of the request, so that a browser does not accumulate logins in progress.
    pub fn cookies(mut self, headers: &HeaderMap) -> Self {
        self.clear_cookies = self.client.flows.evicted_cookies(headers);
        self
    }

    /// Requests a login that is not older than `age`, and rejects an older one. The provider must
    /// issue ID tokens.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    fn start(self) -> Result<Started, OAuthError> {
        let client = self.client;
        let provider = client.provider.settings();
        if self.max_age.is_some() && !provider.requires_id_token() {
            return Err(OAuthError::Unsupported(
                "ID token that states the time of a login",
            ));
        }
        let state = random();
        let return_to = self
            .return_to
            .unwrap_or_else(|| client.default_page.clone());
        let max_age = self.max_age.map(|age| age.as_secs());
        let flow = Flow::new(client.clock.now(), max_age, return_to);
        let verifier = PkceCodeVerifier::new(flow.verifier().expose().clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let state_value = state.expose().clone();
        let mut request = client
            .wire
            .protocol()
            .authorize_url(|| CsrfToken::new(state_value))
            .add_scopes(provider.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        if provider.posts_form {
            request = request.add_extra_param("response_mode", "form_post");
        }
        if provider.requires_id_token() {
            request = request.add_extra_param("nonce", flow.nonce().expose().clone());
        }
        if let Some(age) = max_age {
            request = request.add_extra_param("max_age", age.to_string());
        }
        for (name, value) in &provider.extra {
            request = request.add_extra_param(name, value);
        }
        let (url, _) = request.url();
        Ok(Started {
            url: Url::into(url),
            set_cookie: client.flows.seal(&flow, state.expose())?,
            clear_cookies: self.clear_cookies,
        })
    }
}

impl IntoFuture for Authorize<'_> {
    type Output = Result<Started, OAuthError>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        ready(self.start())
    }
}

impl fmt::Debug for Authorize<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize").finish_non_exhaustive()
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}
