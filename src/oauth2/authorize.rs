//! How a login begins.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use base64_simd::URL_SAFE_NO_PAD;
use http::HeaderValue;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use super::{client::Core, error::OAuthError, return_to::is_own_path};
use crate::{
    clock::Timestamp,
    error::StoreError,
    secret::{self, Secret, seal},
    store::{Key, Namespace, When, Write},
};

/// A login about to begin; `.await` begins it. See [`OAuth2::authorize`](super::OAuth2::authorize).
#[must_use = "nothing begins until this is awaited"]
pub struct Authorize<'a> {
    core: &'a Core,
    return_to: Option<String>,
    cookie: Option<Secret<String>>,
    max_age: Option<Duration>,
}

/// Where a browser is to be sent, and what it is to keep.
#[non_exhaustive]
pub struct Started {
    /// The provider's page. It carries the state, so it is not for logs.
    pub url: String,
    /// The cookie that binds the login to the browser.
    pub set_cookie: HeaderValue,
}

impl<'a> Authorize<'a> {
    pub(super) const fn new(core: &'a Core) -> Self {
        Self {
            core,
            return_to: None,
            cookie: None,
            max_age: None,
        }
    }

    /// Where the browser goes afterwards: a path on this origin. What is not one is the default page.
    pub fn return_to(mut self, path: &str) -> Self {
        self.return_to = is_own_path(path).then(|| path.to_owned());
        self
    }

    /// The value of the cookie by which the browser was bound before, so that logins in two tabs do not end each other.
    pub fn cookie(mut self, value: &str) -> Self {
        self.cookie = is_random(value).then(|| Secret::new(value.to_owned()));
        self
    }

    /// Asks for a login that is not older than `age`, and refuses an older one. The provider must issue ID tokens.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    async fn begin(self) -> Result<Started, OAuthError> {
        let core = self.core;
        let provider = &*core.provider.inner;
        if self.max_age.is_some() && !provider.wants_id_token() {
            return Err(OAuthError::Unsupported("ID token to tell a login's age"));
        }
        let cookie = self.cookie.unwrap_or_else(random);
        let (state, verifier) = (random(), random());
        let nonce = provider.wants_id_token().then(random);
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(
            verifier.expose().clone(),
        ));
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
        if let Some(nonce) = &nonce {
            request = request.add_extra_param("nonce", nonce.expose().clone());
        }
        if let Some(age) = self.max_age {
            request = request.add_extra_param("max_age", age.as_secs().to_string());
        }
        for (name, value) in &provider.extra {
            request = request.add_extra_param(name, value);
        }
        let (url, _) = request.url();
        let record = Record {
            verifier: verifier.expose().clone(),
            nonce: nonce.map(|nonce| nonce.expose().clone()),
            return_to: self.return_to.unwrap_or_else(|| core.default_page.clone()),
            max_age: self.max_age.map(|age| age.as_secs()),
            expires_at: core.clock.now().after(LIFE),
        };
        core.keep(&record, state.expose(), cookie.expose()).await?;
        Ok(Started {
            url: Url::into(url),
            set_cookie: core
                .cookie
                .set(cookie.expose(), LIFE)
                .expect("43 characters of base64url fit into a cookie"),
        })
    }
}

impl<'a> IntoFuture for Authorize<'a> {
    type Output = Result<Started, OAuthError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.begin())
    }
}

/// What is remembered of a login under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(rename = "v")]
    pub(super) verifier: String,
    #[serde(rename = "n")]
    pub(super) nonce: Option<String>,
    #[serde(rename = "r")]
    pub(super) return_to: String,
    #[serde(rename = "m")]
    pub(super) max_age: Option<u64>,
    /// The store's own expiry is no promise.
    #[serde(rename = "e")]
    expires_at: Timestamp,
}

impl Core {
    /// The browser's secret is part of the key: with the state alone nothing is found, and nothing is used up. So is the
    /// provider: a login that began with one ends with no other.
    fn key(&self, state: &str, cookie: &str) -> Key {
        let (name, issuer) = (self.provider.name(), self.provider.issuer());
        let parts = [name, issuer, state, cookie];
        Key::new(NAMESPACE, &parts.map(str::as_bytes))
    }

    async fn keep(&self, record: &Record, state: &str, cookie: &str) -> Result<(), OAuthError> {
        let key = self.key(state, cookie);
        let corrupt = |reason: &'static str| StoreError::Corrupt(reason.into());
        let plain = serde_json::to_vec(record).map_err(|_| corrupt("a record is not JSON"))?;
        let mut sealed = Vec::new();
        let active = self.seals.first();
        let is_sealed = active.is_some_and(|active| {
            seal::seal(active, self.provider.name().as_bytes(), &mut sealed, plain)
        });
        if !is_sealed {
            return Err(corrupt("a record was not sealed").into());
        }
        let write = Write::new(sealed, record.expires_at);
        match self.store.put(&key, write, When::Absent).await? {
            true => Ok(()),
            false => Err(corrupt("256 random bits were taken already").into()),
        }
    }

    /// Takes the record of a login, so that no other can. `None`: there is none for this state in this browser.
    pub(super) async fn take(
        &self,
        state: &str,
        cookie: &str,
    ) -> Result<Option<Record>, StoreError> {
        if !is_random(state) || !is_random(cookie) {
            return Ok(None);
        }
        let Some(entry) = self.store.take(&self.key(state, cookie)).await? else {
            return Ok(None);
        };
        let context = self.provider.name().as_bytes();
        let mut opened = self
            .seals
            .iter()
            .filter_map(|key| seal::open(key, context, &[], &entry.value))
            .map(Zeroizing::new);
        let record = opened
            .next()
            .and_then(|plain| serde_json::from_slice::<Record>(&plain).ok());
        Ok(record.filter(|record| self.clock.now() < record.expires_at))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.verifier.zeroize();
        self.nonce.zeroize();
    }
}

/// 256 random bits as the 43 characters of base64url, which a verifier may have (RFC 7636 section 4.1).
fn random() -> Secret<String> {
    let bits = Zeroizing::new(secret::random::<32>());
    Secret::new(URL_SAFE_NO_PAD.encode_to_string(*bits))
}

fn is_random(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == 43 && text.bytes().all(is_base64url)
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

/// Time to find a password and a second factor at the provider.
const LIFE: Duration = Duration::from_secs(10 * 60);

const NAMESPACE: Namespace = Namespace::new("oauth-flow");
