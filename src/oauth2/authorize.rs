//! How a login begins.

use std::{
    fmt,
    future::{IntoFuture, Ready, ready},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use url::Url;

use super::{
    client::Core,
    error::OAuthError,
    flow::{Flow, random},
    return_to::is_own_path,
};

/// A login about to begin; `.await` begins it. See [`OAuth2::authorize`](super::OAuth2::authorize).
#[must_use = "nothing begins until this is awaited"]
pub struct Authorize<'a> {
    core: &'a Core,
    return_to: Option<String>,
    clear_cookies: Vec<HeaderValue>,
    max_age: Option<Duration>,
}

/// Where a browser is to be sent, and what it is to keep.
#[non_exhaustive]
pub struct Started {
    /// The provider's page. It carries the state, so it is not for logs.
    pub url: String,
    /// The cookie that holds the login, sealed, and binds it to the browser.
    pub set_cookie: HeaderValue,
    /// Cookies of older logins that are to go, so that a browser never sends too many. Set them too.
    pub clear_cookies: Vec<HeaderValue>,
}

impl<'a> Authorize<'a> {
    pub(super) const fn new(core: &'a Core) -> Self {
        Self {
            core,
            return_to: None,
            clear_cookies: Vec::new(),
            max_age: None,
        }
    }

    /// Where the browser goes afterwards: a path on this origin. What is not one is the default page.
    pub fn return_to(mut self, path: &str) -> Self {
        self.return_to = is_own_path(path).then(|| path.to_owned());
        self
    }

    /// The headers of the request, so that the logins which this browser keeps already do not grow too many.
    pub fn cookies(mut self, headers: &HeaderMap) -> Self {
        self.clear_cookies = self.core.crowded_out(headers);
        self
    }

    /// Asks for a login that is not older than `age`, and refuses an older one. The provider must issue ID tokens.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    fn begin(self) -> Result<Started, OAuthError> {
        let core = self.core;
        let provider = &*core.provider.inner;
        if self.max_age.is_some() && !provider.wants_id_token() {
            return Err(OAuthError::Unsupported("ID token to tell a login's age"));
        }
        let state = random();
        let return_to = self.return_to.unwrap_or_else(|| core.default_page.clone());
        let max_age = self.max_age.map(|age| age.as_secs());
        let flow = Flow::new(core.clock.now(), max_age, return_to);
        let verifier = PkceCodeVerifier::new(flow.verifier().expose().clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let given = state.expose().clone();
        let mut request = core
            .wire
            .protocol()
            .authorize_url(|| CsrfToken::new(given))
            .add_scopes(provider.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        if provider.posts_form {
            request = request.add_extra_param("response_mode", "form_post");
        }
        if provider.wants_id_token() {
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
            set_cookie: core.seal_flow(&flow, state.expose())?,
            clear_cookies: self.clear_cookies,
        })
    }
}

impl IntoFuture for Authorize<'_> {
    type Output = Result<Started, OAuthError>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        ready(self.begin())
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
