//! The keys that another party publishes as a JWK set, fetched and refreshed in the background.
//!
//! A [`Jwks`] holds a [`KeyRing`] that a background task updates, so verifying a token never waits
//! for the network unless its key is unknown.
//!
//! # Rules
//!
//! * **Loaded before the first request.** [`JwksBuilder::connect`] returns once the keys are
//!   loaded, or returns the error.
//! * **Refreshed in the background** when the `Cache-Control: max-age` of the response has passed,
//!   clamped to between five minutes and a day; every hour if there is none.
//! * **An unknown `kid` triggers a refresh**, at most once in 30 seconds, counting the background
//!   refreshes, however many tokens have an unknown `kid`. A caller that presents such a token
//!   while a refresh is running waits for it, and the token is then verified again. After that, an
//!   unknown `kid` is rejected immediately until the interval has passed. A token whose key is
//!   known never waits.
//! * **Only a token that a new key could have signed triggers a refresh:** one with the right form
//!   and type, and an asymmetric signature algorithm. No part of the token is sent.
//! * **While the party is unavailable, the old keys stay in use.** The next attempt follows after
//!   30 seconds.
//! * **A bad key does not affect the others.** Unusable keys are skipped ([`KeyRing::from_jwks`]).
//!   A set without a usable key is an error, and the old keys stay in use.
//! * **A key that is removed from the set is retired** at the next refresh, and the tokens that it
//!   signed are rejected. A refresh that finds the same keys changes nothing.
//! * **Requests use https**, redirects are not followed, and a response may have at most 1 MiB.
//!
//! ```no_run
//! use tower_jam::{Claims, Jwt, remote::Jwks};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let jwks = Jwks::builder("https://auth.acme.dev/keys").connect().await?;
//! let jwt = Jwt::<Claims>::builder(jwks).issuer("https://auth.acme.dev").audience("api").build()?;
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};
use url::Url;

use crate::{
    error::ConfigError,
    key::ring::KeyRing,
    remote::fetch::{Fetch, FetchError, UrlScheme},
};

/// The keys that another party publishes. It is a handle; the background task ends when the last
/// clone is dropped.
#[derive(Clone)]
pub struct Jwks {
    inner: Arc<JwksInner>,
}

struct JwksInner {
    refresher: Arc<Refresher>,
    task: AbortHandle,
}

struct Refresher {
    url: Url,
    fetch: Fetch,
    ring: KeyRing,
    interval: Duration,
    state: Mutex<RefreshState>,
    requested: Notify,
    /// Counts completed refreshes, successful or not.
    completed: watch::Sender<u64>,
}

/// Whether a refresh is running, and when the next one may start.
struct RefreshState {
    /// No refresh for an unknown key starts before this time.
    not_before: Instant,
    /// Whether a refresh is running or about to start.
    is_running: bool,
}

impl Jwks {
    /// Returns a builder for the keys that are published at `url`.
    pub fn builder(url: &str) -> JwksBuilder {
        JwksBuilder {
            url: url.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            interval: DEFAULT_INTERVAL,
            scheme: UrlScheme::Https,
        }
    }

    /// Returns the keys. The ring is updated when the other party changes its keys.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.inner.refresher.ring
    }

    /// Waits for a refresh on behalf of a token whose key is unknown. Returns `false` on a timeout.
    /// Returns `true` immediately if the last refresh was less than an interval ago, since it may
    /// have completed after the caller read the keys.
    pub(crate) async fn refresh_for_unknown(&self) -> bool {
        let refresher = &*self.inner.refresher;
        // Subscribe before checking the state, so that the completion is not missed.
        let mut completed = refresher.completed.subscribe();
        if !refresher.request_refresh() {
            return true;
        }
        let waited = timeout(refresher.fetch.timeout(), completed.changed()).await;
        matches!(waited, Ok(Ok(())))
    }
}

impl Refresher {
    /// Requests a refresh, at most one per interval. Returns whether there is one to wait for.
    fn request_refresh(&self) -> bool {
        let mut state = self.state();
        if !state.is_running && Instant::now() >= state.not_before {
            state.is_running = true;
            self.requested.notify_one();
        }
        state.is_running
    }

    fn mark_started(&self) {
        self.state().is_running = true;
    }

    /// Notifies under the lock: a caller that finds no refresh running has either received this
    /// notification or reads the new keys.
    fn mark_completed(&self) {
        let mut state = self.state();
        *state = RefreshState {
            not_before: Instant::now() + self.interval,
            is_running: false,
        };
        self.completed.send_modify(|completed| *completed += 1);
    }

    fn state(&self) -> MutexGuard<'_, RefreshState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self) -> Result<Duration, JwksError> {
        let (ring, lifetime) = fetch_keys(&self.fetch, &self.url).await?;
        // Replacing the ring invalidates cached verifications, so a ring with the same keys stays.
        if !ring.has_same_keys(&self.ring) {
            self.ring.replace_with(&ring);
        }
        Ok(lifetime)
    }

    /// Refreshes the keys until the task is aborted.
    async fn run(self: Arc<Self>, mut next: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.requested.notified() => {}
            }
            self.mark_started();
            let pause = match self.refresh().await {
                Ok(lifetime) => lifetime,
                Err(error) => {
                    tracing::warn!(%error, cause = ?error, "the keys could not be refreshed; the old ones stay in use");
                    self.interval
                }
            };
            next = Instant::now() + pause;
            // A request may have arrived just as the timer fired. This refresh has served it.
            tokio::select! {
                biased;
                () = self.requested.notified() => {}
                () = std::future::ready(()) => {}
            }
            self.mark_completed();
        }
    }
}

impl Drop for JwksInner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks")
            .field("keys", &self.inner.refresher.ring)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Jwks`].
#[must_use]
#[derive(Clone, Debug)]
pub struct JwksBuilder {
    url: String,
    timeout: Duration,
    interval: Duration,
    scheme: UrlScheme,
}

impl JwksBuilder {
    /// Sets how long a response may take, at most 30 seconds. Default: five seconds.
    pub const fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the minimum interval between refreshes for unknown keys, and the delay after a failure.
    /// Default: 30 seconds. This spares a provider that has rotated its keys, and a user with a new
    /// token can soon try again.
    pub const fn min_refresh_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Allows plain HTTP to this machine, for tests and development.
    pub const fn dangerous_http_on_loopback(mut self) -> Self {
        self.scheme = UrlScheme::HttpOnLoopback;
        self
    }

    /// Fetches the keys for the first time, and starts the task that refreshes them.
    ///
    /// # Errors
    ///
    /// If the URL is not an https URL, the interval is not between a second and a day, there is no
    /// tokio runtime, or the keys cannot be fetched.
    pub async fn connect(self) -> Result<Jwks, ConfigError> {
        let url = self.scheme.url("jwks_url", &self.url)?;
        let fetch = Fetch::new(self.timeout)?;
        Jwks::start(url, fetch, self.interval).await
    }
}

impl Jwks {
    pub(crate) async fn start(
        url: Url,
        fetch: Fetch,
        interval: Duration,
    ) -> Result<Self, ConfigError> {
        if !(SHORTEST_INTERVAL..=LONGEST_LIFETIME).contains(&interval) {
            let reason = "is not between a second and a day";
            return Err(ConfigError::new("min_refresh_interval", reason));
        }
        let (ring, lifetime) = fetch_keys(&fetch, &url).await.map_err(|error| {
            ConfigError::new("jwks_url", "the key set could not be loaded").with_source(error)
        })?;
        let refresher = Arc::new(Refresher {
            url,
            fetch,
            ring,
            interval,
            state: Mutex::new(RefreshState {
                not_before: Instant::now(),
                is_running: false,
            }),
            requested: Notify::new(),
            completed: watch::Sender::new(0),
        });
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            ConfigError::new("jwks_url", "refreshing keys requires a tokio runtime")
                .with_source(error)
        })?;
        let task = runtime
            .spawn(Arc::clone(&refresher).run(Instant::now() + lifetime))
            .abort_handle();
        Ok(Self {
            inner: Arc::new(JwksInner { refresher, task }),
        })
    }
}

/// Fetches a key set. Also returns how long it is valid.
async fn fetch_keys(fetch: &Fetch, url: &Url) -> Result<(KeyRing, Duration), JwksError> {
    let response = fetch
        .get(url, HeaderMap::new())
        .await
        .map_err(JwksError::Fetch)?;
    let text = std::str::from_utf8(response.body()).map_err(|_| JwksError::NotText)?;
    let ring = KeyRing::from_jwks(text).map_err(JwksError::Keys)?;
    if ring.load().iter().any(|key| key.algorithm().is_symmetric()) {
        return Err(JwksError::SharedSecret);
    }
    Ok((ring, max_age(response.headers())))
}

/// Returns the `max-age` of `Cache-Control`, clamped.
fn max_age(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let max_age = directives
        .filter_map(|directive| directive.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok());
    max_age
        .map_or(DEFAULT_LIFETIME, Duration::from_secs)
        .clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME)
}

#[derive(Debug)]
enum JwksError {
    Fetch(FetchError),
    Keys(ConfigError),
    NotText,
    SharedSecret,
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch(_) => "the request failed",
            Self::Keys(_) => "the response is not a usable JWK set",
            Self::NotText => "the response is not UTF-8",
            Self::SharedSecret => "the set contains a shared secret",
        })
    }
}

impl std::error::Error for JwksError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Fetch(error) => Some(error),
            Self::Keys(error) => Some(error),
            Self::NotText | Self::SharedSecret => None,
        }
    }
}

pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// A shorter interval is considered a mistake.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60 * 60);
const SHORTEST_LIFETIME: Duration = Duration::from_secs(5 * 60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_followed_within_bounds() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, value.parse().unwrap());
            max_age(&headers).as_secs()
        };
        assert_eq!(read("public, max-age=7200, must-revalidate"), 7200);
        assert_eq!(read("Max-Age=\"7200\""), 7200);
        assert_eq!(read("max-age=1"), 300);
        assert_eq!(read("max-age=99999999"), 86_400);
        assert_eq!(read("no-store"), 3600);
        assert_eq!(read("max-age=99999999999999999999999"), 3600);
        assert_eq!(max_age(&HeaderMap::new()), DEFAULT_LIFETIME);
    }
}
